"""RoIPool, in plain torch: mmcv's rule for the borders of bins is not torchvision's (which rounds the RoI first)."""

from typing import List, Tuple

import torch

from .registry import operator


def _edges(start: torch.Tensor, length: torch.Tensor, bins: int, limit: int) -> List[List[Tuple[int, int]]]:
    """First and one past last pixel of every bin along one axis, for (R,) RoIs: R lists of ``bins`` pairs."""
    place = torch.arange(bins + 1, dtype=start.dtype, device=start.device)
    border = place * (length / bins)[:, None] + start[:, None]
    first, last = border[:, :-1].floor().clamp(0, limit), border[:, 1:].ceil().clamp(0, limit)
    return torch.stack((first, last), -1).long().tolist()


def _pool_axis(values: torch.Tensor, edges: List[Tuple[int, int]]) -> Tuple[torch.Tensor, torch.Tensor]:
    """Greatest value of each span of the last axis, (..., L) -> (..., bins), and its place; -inf and -1 without one."""
    best = values.new_full((*values.shape[:-1], len(edges)), float("-inf"))
    place = torch.full(best.shape, -1, dtype=torch.long, device=best.device)
    for index, (first, last) in enumerate(edges):
        if first < last:
            span, where = values[..., first:last].max(-1)
            best[..., index], place[..., index] = span, where + first
    return best, place


@operator
def roi_pool_forward(
    input: torch.Tensor,
    rois: torch.Tensor,
    output: torch.Tensor,
    argmax: torch.Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """The greatest pixel of each of a RoI's bins.

    Args:
        input: (B, C, H, W).
        rois: (R, 5), image, x1, y1, x2, y2 in pixels of the image, the last ones included.
        output: (R, C, PH, PW), filled; 0 where a bin has no pixel.
        argmax: (R, C, PH, PW) int32, filled with the pixel's place in its plane; -1 where a bin has none.
        pooled_height: PH.
        pooled_width: PW.
        spatial_scale: pixels of the features per pixel of the image.
    """
    height, width = input.shape[2:]
    start, end = rois[:, 1:3] * spatial_scale, (rois[:, 3:] + 1) * spatial_scale
    length = end - start
    columns = _edges(start[:, 0], length[:, 0], pooled_width, width)
    rows = _edges(start[:, 1], length[:, 1], pooled_height, height)
    images = rois[:, 0].long().tolist()
    output.zero_()
    argmax.fill_(-1)
    for index in torch.nonzero((length > 0).all(1), as_tuple=False)[:, 0].tolist():
        across, column = _pool_axis(input[images[index]], columns[index])  # (C, H, PW)
        best, row = _pool_axis(across.transpose(1, 2), rows[index])  # (C, PW, PH)
        column = column.transpose(1, 2).gather(2, row.clamp(min=0))
        empty = (row < 0) | (column < 0)
        output[index] = best.masked_fill(empty, 0).transpose(1, 2)
        argmax[index] = (row * width + column).masked_fill(empty, -1).transpose(1, 2).to(argmax.dtype)


@operator
def roi_pool_backward(
    grad_output: torch.Tensor,
    rois: torch.Tensor,
    argmax: torch.Tensor,
    grad_input: torch.Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Gradient of :func:`roi_pool_forward` by its input, added to ``grad_input`` (B, C, H, W)."""
    channels, height, width = grad_input.shape[1:]
    planes = rois[:, 0].long()[:, None] * channels + torch.arange(channels, device=rois.device)
    places = argmax.long().clamp(min=0) + (planes * (height * width))[..., None, None]
    flat = torch.zeros_like(grad_input).reshape(-1)
    flat.index_add_(0, places.reshape(-1), (grad_output * (argmax >= 0)).reshape(-1))
    grad_input.add_(flat.view_as(grad_input))
