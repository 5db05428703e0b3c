"""Border align: the greatest sample on each side of a box, in plain torch."""

from typing import Tuple

import torch

from .registry import operator
from .sampling import corners, sample


def _places(boxes: torch.Tensor, pool_size: int) -> Tuple[torch.Tensor, torch.Tensor]:
    """Rows and columns, (N, 4, S, pool_size + 1) each: top and left from the first corner, the others from the last."""
    x1, y1, x2, y2 = boxes.unbind(2)
    across, down, none = (x2 - x1) / pool_size, (y2 - y1) / pool_size, torch.zeros_like(x1)
    step = torch.arange(pool_size + 1, dtype=boxes.dtype, device=boxes.device)
    y = torch.stack((y1, y1, y2, y2), 1)[..., None] + torch.stack((none, down, none, -down), 1)[..., None] * step
    x = torch.stack((x1, x1, x2, x2), 1)[..., None] + torch.stack((across, none, -across, none), 1)[..., None] * step
    return y, x


@operator
def border_align_forward(
    input: torch.Tensor, boxes: torch.Tensor, output: torch.Tensor, argmax_idx: torch.Tensor, pool_size: int
) -> None:
    """Greatest of the samples on each side of a box.

    Args:
        input: (N, 4 * C, H, W), C channels for each of top, left, bottom and right.
        boxes: (N, S, 4), x1, y1, x2, y2 in pixels of the features.
        output: (N, C, S, 4), filled.
        argmax_idx: (N, C, S, 4) int32, filled with the number of that sample.
        pool_size: samples on a side, less one.
    """
    batch, channels, height, width = input.shape
    y, x = (place.reshape(batch * 4, -1) for place in _places(boxes, pool_size))
    maps = input.reshape(batch * 4, channels // 4, height, width)
    samples = sample(maps, torch.arange(batch * 4, device=input.device), y, x)
    best, place = samples.reshape(batch, 4, channels // 4, -1, pool_size + 1).max(4)
    output.copy_(best.permute(0, 2, 3, 1))
    argmax_idx.copy_(place.permute(0, 2, 3, 1))


@operator
def border_align_backward(
    grad_output: torch.Tensor, boxes: torch.Tensor, argmax_idx: torch.Tensor, grad_input: torch.Tensor, pool_size: int
) -> None:
    """Gradient of :func:`border_align_forward` by its input, added to ``grad_input`` (N, 4 * C, H, W)."""
    batch, channels, height, width = grad_input.shape
    which = argmax_idx.permute(0, 3, 1, 2).long()[..., None]  # (N, 4, C, S, 1)
    shape = (*which.shape[:-1], pool_size + 1)
    y, x = (place[:, :, None].expand(shape).gather(4, which)[..., 0] for place in _places(boxes, pool_size))
    places, weights = corners(y, x, height, width)
    planes = torch.arange(batch * channels, device=boxes.device).view(batch, 4, channels // 4, 1)
    flat = torch.zeros_like(grad_input).reshape(-1)
    values = weights * grad_output.permute(0, 3, 1, 2)
    flat.index_add_(0, (places + planes * (height * width)).reshape(-1), values.reshape(-1))
    grad_input.add_(flat.view_as(grad_input))
