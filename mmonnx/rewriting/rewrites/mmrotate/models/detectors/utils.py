"""Stand-in for ``mmrotate/models/detectors/utils.py``."""

from typing import Any

import torch

from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmrotate.models.detectors.utils.AlignConv.forward")
def forward(context: ExportContext, original: Any, self: Any, x: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
    """Convolve each cell over its own box: upstream makes the offsets image by image.

    Args:
        x: (N, C, H, W).
        anchors: (N * H * W, 5) boxes in pixels of the input.

    Returns:
        (N, C, H, W)
    """
    batch, height, width = x.shape[0], x.shape[2], x.shape[3]
    size, boxes = int(self.kernel_size), anchors.reshape(batch, height, width, 5)
    place = torch.arange(size, device=x.device, dtype=x.dtype) - (size - 1) // 2
    down, across = (one.reshape(-1) for one in (place[:, None].expand(size, size), place.expand(size, size)))
    sides = boxes[..., 2:4] / self.stride / size
    cos, sin = boxes[..., 4:].cos(), boxes[..., 4:].sin()
    along, up = sides[..., :1] * across, sides[..., 1:] * down
    center = boxes[..., :2] / self.stride
    rows = torch.arange(height, device=x.device).to(x.dtype)[:, None, None]
    columns = torch.arange(width, device=x.device).to(x.dtype)[:, None]
    offset_x = cos * along - sin * up + center[..., :1] - (columns + across)
    offset_y = sin * along + cos * up + center[..., 1:2] - (rows + down)
    offset = torch.stack([offset_y, offset_x], -1).reshape(batch, height, width, 2 * size * size)
    return self.relu(self.deform_conv(x, offset.permute(0, 3, 1, 2)))
