"""Stand-in for HorNet."""

from typing import Any

import torch
from torch.nn import functional

from ....context import ExportContext
from ....fourier import filtered
from ....registry import rewrite
from ....sizes import floor_divide


@rewrite("mmcls.models.backbones.hornet.GlobalLocalFilter.forward")
def forward(context: ExportContext, original: Any, self: Any, x: torch.Tensor) -> torch.Tensor:
    """Filter half of the channels of (N, C, H, W) in the frequency domain, without complex numbers."""
    near, far = torch.chunk(self.pre_norm(x), 2, dim=1)
    height, width = far.shape[2], far.shape[3]
    weight = self.complex_weight.permute(3, 0, 1, 2)
    size = (height, floor_divide(width, 2) + 1)
    if context.dynamic_size or [int(side) for side in size] != list(weight.shape[2:]):
        weight = functional.interpolate(weight, size=size, mode="bilinear", align_corners=True)
    far = filtered(far, (weight[0], weight[1]))
    # the channels of both take turns
    joined = torch.stack([self.dw(near), far], dim=2).flatten(1, 2)
    return self.post_norm(joined)
