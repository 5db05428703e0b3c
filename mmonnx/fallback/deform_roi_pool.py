"""Deformable RoI pooling, in plain torch: RoIAlign whose bins are moved."""

import torch

from .gradients import gradients
from .registry import operator
from .sampling import bins, sample


def _pool(
    input: torch.Tensor,
    offset: torch.Tensor,
    rois: torch.Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> torch.Tensor:
    """(R, C, PH, PW); without offsets where ``offset`` is empty."""
    size = (pooled_height, pooled_width)
    rows, pooled = [], []
    moved = offset.numel() > 0
    sides = (rois[:, 3:] - rois[:, 1:3]) * spatial_scale * gamma
    for group in bins(rois, size, spatial_scale, sampling_ratio, aligned=True):
        y, x = group.y, group.x
        if moved:
            shift = offset[group.rows] * sides[group.rows][:, :, None, None]
            x, y = x + shift[:, 0, :, :, None, None], y + shift[:, 1, :, :, None, None]
        samples = sample(input, group.images, y.flatten(1), x.flatten(1))
        rows.append(group.rows)
        pooled.append(samples.unflatten(2, y.shape[1:]).mean((4, 5)))
    output = input.new_zeros((rois.shape[0], input.shape[1], *size))
    if not rows:
        return output + input.sum() * 0 + offset.sum() * 0
    output = output.index_copy(0, torch.cat(rows), torch.cat(pooled))
    return output if moved else output + offset.sum()


@operator
def deform_roi_pool_forward(
    input: torch.Tensor,
    rois: torch.Tensor,
    offset: torch.Tensor,
    output: torch.Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Average of the samples of each of a RoI's bins, after the bin was moved.

    Args:
        input: (B, C, H, W).
        rois: (R, 5), image, x1, y1, x2, y2 in pixels of the image.
        offset: (R, 2, PH, PW), columns before rows, in RoI sizes times ``gamma``; or empty.
        output: (R, C, PH, PW), filled.
        pooled_height: PH.
        pooled_width: PW.
        spatial_scale: pixels of the features per pixel of the image.
        sampling_ratio: samples per bin and axis, or 0 for as many as a bin has pixels.
        gamma: a factor of the offsets.
    """
    output.copy_(_pool(input, offset, rois, pooled_height, pooled_width, spatial_scale, sampling_ratio, gamma))


@operator
def deform_roi_pool_backward(
    grad_output: torch.Tensor,
    input: torch.Tensor,
    rois: torch.Tensor,
    offset: torch.Tensor,
    grad_input: torch.Tensor,
    grad_offset: torch.Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Gradients of the input and the offset (both added); shapes as in the forward."""
    attributes = (rois, pooled_height, pooled_width, spatial_scale, sampling_ratio, gamma)
    grads = gradients(lambda one, two: _pool(one, two, *attributes), (input, offset), grad_output)
    grad_input.add_(grads[0])
    grad_offset.add_(grads[1])
