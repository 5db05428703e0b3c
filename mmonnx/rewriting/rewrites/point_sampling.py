"""Sampling features at points inside RoIs, of which each lies in the image that it belongs to."""

from typing import Any, Tuple

import torch

from .rows import merge_first


def sample_at_rois(
    features: torch.Tensor, rois: torch.Tensor, points: torch.Tensor, scale: float, aligned: bool = True
) -> torch.Tensor:
    """Sample features at points of RoIs, bilinearly, with zeros around the map.

    Upstream samples image by image; here the features of all images are rows, of which each point gathers its four.

    Args:
        features: (N, C, H, W).
        rois: (K, 5) ``(image, x1, y1, x2, y2)`` in pixels; K may be 0.
        points: (K, P, 2) ``(x, y)`` in parts of the RoI.
        scale: cells of the map per pixel.
        aligned: the center of a cell is at a half, otherwise the first and the last cell are the map's ends.

    Returns:
        (K, C, P).
    """
    height, width = features.shape[2], features.shape[3]
    place = points * (rois[:, None, 3:] - rois[:, None, 1:3]) + rois[:, None, 1:3]
    size = features.new_tensor([width, height])
    place = place * scale - 0.5 if aligned else place / size * scale * (size - 1)
    low = place.floor()
    share = place - low
    rows = merge_first(features.permute(0, 2, 3, 1).reshape(-1, height * width, int(features.shape[1])))
    start = rois[:, :1].long() * (height * width)  # (K, 1)
    parts = []
    for down in (0, 1):
        for across in (0, 1):
            cell = low + low.new_tensor([across, down])
            index, inside = _index(cell, size, width)
            weight = _weight(share[..., 0], across) * _weight(share[..., 1], down) * inside
            parts.append(rows[index + start] * weight[..., None])
    return sum(parts[1:], parts[0]).transpose(1, 2)


def _index(cell: torch.Tensor, size: torch.Tensor, width: Any) -> Tuple[torch.Tensor, torch.Tensor]:
    """The rows (K, P) of cells (K, P, 2), of which those outside are any; and 1.0 for those inside, else 0.0."""
    inside = ((cell >= 0) & (cell < size)).to(cell.dtype).prod(-1)
    last = size - 1
    near = torch.where(cell > 0, cell, cell.new_zeros(1))
    near = torch.where(near < last, near, last).long()
    return near[..., 1] * width + near[..., 0], inside


def _weight(share: torch.Tensor, upper: int) -> torch.Tensor:
    return share if upper else 1 - share
