"""Stand-ins for the head of DPT."""

from typing import Any

import torch
from torch.nn import functional

from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmseg.models.decode_heads.dpt_head.FeatureFusionBlock.forward")
def forward(context: ExportContext, original: Any, self: Any, *inputs: torch.Tensor) -> torch.Tensor:
    """A map (N, C, 2 * H, 2 * W) of one (N, C, H, W) and another that is resized to it.

    Upstream asks whether it has to be resized, and the trace would keep the answer: an odd map upsampled is no longer
    as large as its neighbour.
    """
    x, *others = inputs
    for other in others:
        other = functional.interpolate(other, size=tuple(x.shape[2:]), mode="bilinear", align_corners=False)
        x = x + self.res_conv_unit1(other)
    x = self.res_conv_unit2(x)
    x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=self.align_corners)
    return self.project(x)
