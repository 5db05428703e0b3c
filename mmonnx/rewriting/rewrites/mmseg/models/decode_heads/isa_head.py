"""Stand-ins for the head of ISANet."""

from typing import Any

import torch
from torch.nn import functional

from ....context import ExportContext
from ....registry import rewrite
from ....sizes import ceil_divide, floor_divide


@rewrite("mmseg.models.decode_heads.isa_head.ISAHead.forward")
def forward(context: ExportContext, original: Any, self: Any, inputs: Any) -> torch.Tensor:
    """Class logits (N, num_classes, H, W) of maps of any size, padded to whole groups of places."""
    residual = self.in_conv(self._transform_inputs(inputs))
    (height, width), channels = residual.shape[2:], int(residual.shape[1])
    down, across = self.down_factor
    rows, columns = ceil_divide(height, down), ceil_divide(width, across)
    below, right = rows * down - height, columns * across - width
    top, left = floor_divide(below, 2), floor_divide(right, 2)
    x = functional.pad(residual, (left, right - left, top, below - top))
    # places that are as far apart as groups are attend to each other, then those of a group
    x = x.reshape(-1, channels, rows, down, columns, across).permute(0, 3, 5, 1, 2, 4)
    x = self.global_relation(x.reshape(-1, channels, rows, columns))
    x = x.reshape(-1, down, across, channels, rows, columns).permute(0, 4, 5, 3, 1, 2)
    x = self.local_relation(x.reshape(-1, channels, down, across))
    x = x.reshape(-1, rows, columns, channels, down, across).permute(0, 3, 1, 4, 2, 5)
    x = x.reshape(-1, channels, rows * down, columns * across)
    x = x[:, :, top : top + height, left : left + width]
    return self.cls_seg(self.out_conv(torch.cat([x, residual], 1)))
