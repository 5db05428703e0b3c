"""Bilinear sampling of feature maps at free positions, and the grid of samples of a RoI's bins."""

from typing import Iterator, NamedTuple, Tuple

import torch

# Values that one step of `sample` reads at most.
_STEP = 1 << 22


def corners(y: torch.Tensor, x: torch.Tensor, height: int, width: int) -> Tuple[torch.Tensor, torch.Tensor]:
    """The four pixels around each position, by RoIAlign's rule for borders.

    A position up to one pixel outside takes the nearest pixels; one further out counts as nothing.

    Args:
        y: rows, any shape S.
        x: columns, S.
        height: of the map.
        width: of the map.

    Returns:
        (4, S) int64 indices into the flattened map, and (4, S) weights.
    """
    inside = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
    top, left = y.detach().floor(), x.detach().floor()
    down, right = y - top, x - left
    weights = torch.stack(((1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right)) * inside
    top, left = top.long(), left.long()
    bottom, beyond = (top + 1).clamp(max=height - 1), (left + 1).clamp(max=width - 1)
    places = torch.stack((top * width + left, top * width + beyond, bottom * width + left, bottom * width + beyond))
    return places, weights


def sample(features: torch.Tensor, images: torch.Tensor, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Read feature maps at free positions; differentiable by features, y and x.

    Args:
        features: (B, C, H, W).
        images: (R,) int64, in which image of the batch each row of positions lies.
        y: (R, P), rows.
        x: (R, P), columns.

    Returns:
        (R, C, P)
    """
    channels, height, width = features.shape[1:]
    step = max(1, _STEP // max(1, channels * y.shape[1]))
    rows, values = [images.new_zeros(0)], [features.new_zeros((0, channels, y.shape[1]))]
    for image in range(features.shape[0]):
        flat = features[image].reshape(channels, height * width)
        for chunk in torch.nonzero(images == image, as_tuple=False)[:, 0].split(step):
            places, weights = corners(y[chunk], x[chunk], height, width)
            value = sum(flat[:, place] * weight for place, weight in zip(places, weights))
            rows.append(chunk)
            values.append(value.transpose(0, 1))
    return torch.cat(values)[torch.cat(rows).argsort()]


class Bins(NamedTuple):
    """Some RoIs that take equally many samples per bin: R of them, (PH, PW) bins, (GH, GW) samples in each."""

    rows: torch.Tensor  # (R,) int64, which RoIs these are
    images: torch.Tensor  # (R,) int64
    y: torch.Tensor  # (R, PH, PW, GH, GW)
    x: torch.Tensor  # (R, PH, PW, GH, GW)


def _axis(start: torch.Tensor, length: torch.Tensor, bins: int, grid: int) -> torch.Tensor:
    """Positions along one axis, (R,) and (R,) -> (R, bins, grid)."""
    side = (length / bins)[:, None, None]
    place = torch.arange(bins, dtype=start.dtype, device=start.device)[None, :, None]
    within = torch.arange(grid, dtype=start.dtype, device=start.device)[None, None, :] + 0.5
    return start[:, None, None] + place * side + within * side / grid


def bins(
    rois: torch.Tensor, size: Tuple[int, int], spatial_scale: float, sampling_ratio: int, aligned: bool
) -> Iterator[Bins]:
    """Lay RoIAlign's samples into the bins of RoIs.

    Args:
        rois: (R, 5), image, x1, y1, x2, y2 in pixels of the image.
        size: (PH, PW), bins per RoI.
        spatial_scale: pixels of the features per pixel of the image.
        sampling_ratio: samples per bin and axis, or 0 for as many as a bin has pixels.
        aligned: shift by half a pixel, and allow RoIs smaller than one pixel.

    Yields:
        The RoIs in groups; those that take no sample at all are left out.
    """
    box = rois[:, 1:] * spatial_scale - (0.5 if aligned else 0.0)
    start, length = box[:, :2], box[:, 2:] - box[:, :2]
    if not aligned:
        length = length.clamp(min=1)
    counts = torch.tensor([size[1], size[0]], dtype=length.dtype, device=length.device)
    grids = (length / counts).ceil().long() if sampling_ratio <= 0 else torch.full_like(length, sampling_ratio).long()
    for grid in torch.unique(grids, dim=0).tolist():
        if min(grid) <= 0:
            continue
        rows = torch.nonzero((grids == grids.new_tensor(grid)).all(1), as_tuple=False)[:, 0]
        x = _axis(start[rows, 0], length[rows, 0], size[1], grid[0])[:, None, :, None, :]
        y = _axis(start[rows, 1], length[rows, 1], size[0], grid[1])[:, :, None, :, None]
        y, x = torch.broadcast_tensors(y, x)
        yield Bins(rows, rois[rows, 0].long(), y, x)
