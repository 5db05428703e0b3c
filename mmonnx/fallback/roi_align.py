"""RoIAlign: the average on torchvision's kernel, the maximum in plain torch."""

from typing import Any, Tuple

import torch
import torchvision

from .registry import operator
from .sampling import bins, corners, sample

_MAX = 0
# The compiled kernel starts its search for the maximum here, and leaves it where a RoI has no sample.
_LOWEST = -10000.0


def _max_pool(
    input: torch.Tensor, rois: torch.Tensor, size: Tuple[int, int], **attributes: Any
) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The greatest sample of each bin and where it lies: (R, C, PH, PW) values, rows and columns."""
    shape = (rois.shape[0], input.shape[1], *size)
    value, row, column = input.new_full(shape, _LOWEST), input.new_full(shape, -1.0), input.new_full(shape, -1.0)
    for group in bins(rois, size, **attributes):
        y, x = group.y.flatten(1, 2).flatten(2), group.x.flatten(1, 2).flatten(2)
        samples = sample(input, group.images, y.flatten(1), x.flatten(1)).unflatten(2, y.shape[1:])
        best, place = samples.max(-1)
        found = best > _LOWEST
        places = [
            where[:, None].expand(samples.shape).gather(-1, place[..., None])[..., 0].masked_fill(~found, -1.0)
            for where in (y, x)
        ]
        for target, source in zip((value, row, column), (best.clamp(min=_LOWEST), *places)):
            target[group.rows] = source.unflatten(2, size)
    return value, row, column


@operator
def roi_align_forward(
    input: torch.Tensor,
    rois: torch.Tensor,
    output: torch.Tensor,
    argmax_y: torch.Tensor,
    argmax_x: torch.Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Pool RoIs of any size into (PH, PW) bins.

    Args:
        input: (B, C, H, W).
        rois: (R, 5), image, x1, y1, x2, y2 in pixels of the image.
        output: (R, C, PH, PW), filled.
        argmax_y: (R, C, PH, PW), filled with the row of the greatest sample (-1 without one); empty for the average.
        argmax_x: its column, likewise.
        aligned_height: PH.
        aligned_width: PW.
        spatial_scale: pixels of the features per pixel of the image.
        sampling_ratio: samples per bin and axis, or 0 for as many as a bin has pixels.
        pool_mode: 0 maximum, 1 average.
        aligned: shift by half a pixel.
    """
    size = (aligned_height, aligned_width)
    if pool_mode != _MAX:
        output.copy_(torchvision.ops.roi_align(input, rois, size, spatial_scale, sampling_ratio, aligned))
        return
    pooled = _max_pool(input, rois, size, spatial_scale=spatial_scale, sampling_ratio=sampling_ratio, aligned=aligned)
    for target, source in zip((output, argmax_y, argmax_x), pooled):
        target.copy_(source)


@operator
def roi_align_backward(
    grad_output: torch.Tensor,
    rois: torch.Tensor,
    argmax_y: torch.Tensor,
    argmax_x: torch.Tensor,
    grad_input: torch.Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Gradient of :func:`roi_align_forward` by its input, added to ``grad_input`` (B, C, H, W)."""
    batch, channels, height, width = grad_input.shape
    if pool_mode != _MAX:
        size = (aligned_height, aligned_width)
        grad_input.add_(
            torch.ops.torchvision._roi_align_backward(
                grad_output, rois, spatial_scale, *size, batch, channels, height, width, sampling_ratio, aligned
            )
        )
        return
    places, weights = corners(argmax_y, argmax_x, height, width)
    weights = weights * (argmax_y != -1)
    planes = rois[:, 0].long()[:, None] * channels + torch.arange(channels, device=rois.device)
    places = places + (planes * (height * width))[..., None, None]
    flat = torch.zeros_like(grad_input).reshape(-1)
    flat.index_add_(0, places.reshape(-1), (weights * grad_output).reshape(-1))
    grad_input.add_(flat.view_as(grad_input))
