"""RoIAlign of rotated boxes, and features aligned with one rotated box per cell, in plain torch."""

import torch

from .gradients import gradients
from .registry import operator
from .sampling import bins, sample


def pool_rotated(
    input: torch.Tensor,
    rois: torch.Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
    clockwise: bool,
) -> torch.Tensor:
    """The averages (R, C, PH, PW) of the bins of rotated RoIs; arguments as of :func:`roi_align_rotated_forward`."""
    size = (pooled_height, pooled_width)
    center = rois[:, 1:3] * spatial_scale - (0.5 if aligned else 0.0)
    side = rois[:, 3:5] * spatial_scale
    side = side if aligned else side.clamp(min=1)
    angle = -rois[:, 5] if clockwise else rois[:, 5]
    upright = torch.cat((rois[:, :1], -side / 2, side / 2), 1)
    rows, pooled = [], []
    # without the half pixel of `aligned`, which the center has already
    for group in bins(torch.cat((upright[:, :1], upright[:, 1:] + 0.5), 1), size, 1.0, sampling_ratio, aligned=True):
        cos, sin = (part[group.rows, None, None, None, None] for part in (angle.cos(), angle.sin()))
        middle = center[group.rows][:, :, None, None, None, None]
        y = group.y * cos - group.x * sin + middle[:, 1]
        x = group.y * sin + group.x * cos + middle[:, 0]
        samples = sample(input, group.images, y.flatten(1), x.flatten(1))
        rows.append(group.rows)
        pooled.append(samples.unflatten(2, y.shape[1:]).mean((4, 5)))
    output = input.new_zeros((rois.shape[0], input.shape[1], *size)) + input.sum() * 0
    return output.index_copy(0, torch.cat(rows), torch.cat(pooled)) if rows else output


@operator
def roi_align_rotated_forward(
    input: torch.Tensor,
    rois: torch.Tensor,
    output: torch.Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
    clockwise: bool,
) -> None:
    """Pool rotated RoIs of any size into (PH, PW) bins.

    Args:
        input: (B, C, H, W).
        rois: (R, 6), image, center x and y, width, height in pixels of the image, angle in radians.
        output: (R, C, PH, PW), filled.
        pooled_height: PH.
        pooled_width: PW.
        spatial_scale: pixels of the features per pixel of the image.
        sampling_ratio: samples per bin and axis, or 0 for as many as a bin has pixels.
        aligned: shift by half a pixel, and allow RoIs smaller than one pixel.
        clockwise: how the angle turns in the image.
    """
    sizes = (pooled_height, pooled_width, spatial_scale, sampling_ratio, aligned, clockwise)
    output.copy_(pool_rotated(input, rois, *sizes))


@operator
def roi_align_rotated_backward(
    top_grad: torch.Tensor,
    rois: torch.Tensor,
    bottom_grad: torch.Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
    clockwise: bool,
) -> None:
    """Gradient of :func:`roi_align_rotated_forward` by its input, added to ``bottom_grad`` (B, C, H, W)."""
    sizes = (pooled_height, pooled_width, spatial_scale, sampling_ratio, aligned, clockwise)
    bottom_grad.add_(gradients(lambda input: pool_rotated(input, rois, *sizes), (bottom_grad,), top_grad)[0])


def _align(features: torch.Tensor, best_bboxes: torch.Tensor, spatial_scale: float, points: int) -> torch.Tensor:
    """(N, C, H, W)"""
    batch, _, height, width = features.shape
    boxes = best_bboxes.reshape(-1, 5)
    # mmcv's kernel takes the first coordinate for the row
    y, x = (boxes[:, :2] * spatial_scale).unbind(1)
    y, x = [y], [x]
    if points > 1:
        side, (cos, sin) = boxes[:, 2:4] * spatial_scale / 2, (boxes[:, 4].cos(), boxes[:, 4].sin())
        along, across = (cos * side[:, 0], sin * side[:, 0]), (-sin * side[:, 1], cos * side[:, 1])
        for one, two in ((1, 1), (-1, 1), (-1, -1), (1, -1)):
            x.append(x[0] + one * along[0] + two * across[0])
            y.append(y[0] + one * along[1] + two * across[1])
    images = torch.arange(batch, device=features.device).repeat_interleave(height * width)
    samples = sample(features, images, torch.stack(y, 1), torch.stack(x, 1)).sum(2)
    return features + samples.reshape(batch, height, width, -1).permute(0, 3, 1, 2)


@operator
def rotated_feature_align_forward(
    features: torch.Tensor, best_bboxes: torch.Tensor, output: torch.Tensor, spatial_scale: float, points: int
) -> None:
    """Add to each cell the samples at the center, and maybe at the corners, of its box.

    Args:
        features: (N, C, H, W).
        best_bboxes: (N, H, W, 5), y and x of the center, width, height, angle in radians.
        output: (N, C, H, W), filled.
        spatial_scale: pixels of the features per pixel of the boxes.
        points: 1 for the center, 5 for the corners too.
    """
    output.copy_(_align(features, best_bboxes, spatial_scale, points))


@operator
def rotated_feature_align_backward(
    top_grad: torch.Tensor, best_bboxes: torch.Tensor, bottom_grad: torch.Tensor, spatial_scale: float, points: int
) -> None:
    """Gradient of :func:`rotated_feature_align_forward` by the features, added to ``bottom_grad`` (N, C, H, W)."""
    attributes = (best_bboxes, spatial_scale, points)
    bottom_grad.add_(gradients(lambda features: _align(features, *attributes), (bottom_grad,), top_grad)[0])
