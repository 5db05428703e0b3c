"""Stand-ins for MobileViT."""

from typing import Any

import torch
from torch.nn import functional

from ....context import ExportContext
from ....registry import rewrite
from ....sizes import ceil_divide


@rewrite("mmpretrain.models.backbones.mobilevit.MobileVitBlock.forward")
def forward(context: ExportContext, original: Any, self: Any, x: torch.Tensor) -> torch.Tensor:
    """Attend from patch to patch of (N, C, H, W); a map of other than whole patches is resized, and resized back."""
    shortcut, x = x, self.local_rep(x)
    height, width = x.shape[2], x.shape[3]
    counts = [ceil_divide(length, side) for length, side in zip((height, width), self.patch_size)]
    full = [count * side for count, side in zip(counts, self.patch_size)]
    # of a map of whole patches, resizing is nothing
    resized = context.dynamic_size or [int(side) for side in full] != [int(height), int(width)]
    if resized:
        x = functional.interpolate(x, size=tuple(full), mode="bilinear", align_corners=False)
    (rows, columns), (down, across), channels = counts, self.patch_size, int(x.shape[1])
    x = x.reshape(-1, channels, rows, down, columns, across).permute(0, 3, 5, 2, 4, 1)
    x = self.global_rep(x.reshape(-1, rows * columns, channels))
    channels = int(x.shape[2])
    x = x.reshape(-1, down, across, rows, columns, channels).permute(0, 5, 3, 1, 4, 2)
    x = x.reshape(-1, channels, *full)
    if resized:
        x = functional.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)
    x = self.conv_proj(x)
    return x if self.conv_fusion is None else self.conv_fusion(torch.cat((shortcut, x), dim=1))
