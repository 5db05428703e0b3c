"""BezierAlign of mmcv 2.x, pooling between two curves as of curved text, in plain torch."""

import torch

from .gradients import gradients
from .registry import operator
from .sampling import sample


def _curve(points: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Cubic Bezier curves through (R, 4, 2) points at shares (PW,) of their length: (R, PW, 2)."""
    rest = 1 - share
    weights = torch.stack((rest**3, 3 * share * rest**2, 3 * share**2 * rest, share**3), 1)  # (PW, 4)
    return weights.to(points).matmul(points)


def _pool(
    input: torch.Tensor,
    rois: torch.Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> torch.Tensor:
    """(R, C, PH, PW)"""
    points = rois[:, 1:].reshape(-1, 2, 4, 2) * spatial_scale
    # the second curve is given from its end
    upper, lower = points[:, 0], points[:, 1].flip(1)
    side = torch.max((upper[:, 0] - upper[:, 3]).abs(), (lower[:, 0] - lower[:, 3]).abs())
    side = side if aligned else side.clamp(min=1)
    across, down = (torch.arange(size, device=input.device) / size for size in (aligned_width, aligned_height))
    first, last = _curve(upper, across)[:, None], _curve(lower, across)[:, None]
    share = down.to(input)[None, :, None, None]
    center = last * share + first * (1 - share) - (0.5 if aligned else 0.0)  # (R, PH, PW, 2)
    cell = side / side.new_tensor([aligned_width, aligned_height])
    grids = cell.ceil().long() if sampling_ratio <= 0 else torch.full_like(cell, sampling_ratio).long()
    rows, pooled = [], []
    for grid in torch.unique(grids, dim=0).tolist():
        if min(grid) <= 0:  # it takes no sample
            continue
        found = torch.nonzero((grids == grids.new_tensor(grid)).all(1), as_tuple=False)[:, 0]
        sides = cell[found][:, None, None]
        x, y = (center[found][..., [axis]] + _within(grid[axis], cell) * sides[..., [axis]] for axis in (0, 1))
        y, x = torch.broadcast_tensors(y[..., :, None], x[..., None, :])  # (R, PH, PW, GH, GW)
        samples = sample(input, rois[found, 0].long(), y.flatten(1), x.flatten(1))
        rows.append(found)
        pooled.append(samples.unflatten(2, y.shape[1:]).mean((4, 5)))
    output = input.new_zeros((len(rois), input.shape[1], aligned_height, aligned_width)) + input.sum() * 0
    return output.index_copy(0, torch.cat(rows), torch.cat(pooled)) if rows else output


def _within(grid: int, like: torch.Tensor) -> torch.Tensor:
    """Where the samples of a cell lie, in parts of it from its center: (grid,)."""
    return (torch.arange(grid, device=like.device).to(like) + 0.5) / grid - 0.5


@operator
def bezier_align_forward(
    input: torch.Tensor,
    beziers: torch.Tensor,
    output: torch.Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> None:
    """Pool what lies between two curves into (PH, PW) bins.

    Args:
        input: (B, C, H, W).
        beziers: (R, 17), image, four points (x, y) of the upper curve from its left, four of the lower one from its
            right, in pixels of the image.
        output: (R, C, PH, PW), filled.
        aligned_height: PH.
        aligned_width: PW.
        spatial_scale: pixels of the features per pixel of the image.
        sampling_ratio: samples per bin and axis, or 0 for as many as a bin has pixels.
        aligned: shift by half a pixel, and allow curves that are shorter than one pixel.
    """
    sizes = (aligned_height, aligned_width, spatial_scale, sampling_ratio, aligned)
    output.copy_(_pool(input, beziers, *sizes))


@operator
def bezier_align_backward(
    grad_output: torch.Tensor,
    beziers: torch.Tensor,
    grad_input: torch.Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> None:
    """Gradient of :func:`bezier_align_forward` by its input, added to ``grad_input`` (B, C, H, W)."""
    sizes = (aligned_height, aligned_width, spatial_scale, sampling_ratio, aligned)
    grad_input.add_(gradients(lambda input: _pool(input, beziers, *sizes), (grad_input,), grad_output)[0])
