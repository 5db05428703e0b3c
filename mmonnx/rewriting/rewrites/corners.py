"""Boxes from pairs of corners, of the whole batch at once: what CornerNet and CentripetalNet share."""

from typing import Any, NamedTuple, Sequence, Tuple

import torch

from .batched import ABSENT, divide, image_numbers
from .context import ExportContext

_LARGE = 3500.0
"""The area in square pixels from which a box has the smaller central region."""
_SMALL_SHARE, _LARGE_SHARE = 1 / 2.4, 1 / 2.1
"""The share of its length that the central region of a box has, of a small and of a large one."""


class Corners(NamedTuple):
    """The k best corners of one kind, (N, k) each.

    Attributes:
        scores: of the heat map.
        labels: int64 classes.
        row: int64 places in maps of shape (N * H * W, ...).
        points: (N, k, 2) ``(x, y)`` in cells.
    """

    scores: torch.Tensor
    labels: torch.Tensor
    row: torch.Tensor
    points: torch.Tensor


def find_corners(context: ExportContext, heat: torch.Tensor, offset: torch.Tensor, number: int, kernel: int) -> Corners:
    """The best local maxima of a heat map.

    Args:
        heat: (N, classes, H, W) scores.
        offset: (N, 2, H, W) from the cell to the corner.
        number: of corners for each image.
        kernel: of the window in which a corner has to be the best.
    """
    size = heat.shape[2:]
    area = size[0] * size[1]
    best = torch.nn.functional.max_pool2d(heat, kernel, stride=1, padding=(kernel - 1) // 2)
    scores, index = (heat * (best == heat).to(heat)).flatten(1).topk(number, dim=1)
    labels = divide(index, area)
    cell = index - labels * area
    y = divide(cell, size[1])
    row = cell + image_numbers(context)[:, None] * area
    points = torch.stack([cell - y * size[1], y], -1).to(offset) + at_corners(offset, row)
    return Corners(scores, labels, row, points)


def at_corners(maps: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
    """Values (N, k, C) of maps (N, C, H, W) at the places (N, k)."""
    return maps.permute(0, 2, 3, 1).reshape(-1, int(maps.shape[1]))[row]


def pair(one: torch.Tensor, other: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
    """Values (N, k, ...) of the two kinds, one kind along rows and one along columns: both (N, k, k, ...)."""
    one, other = one[:, :, None], other[:, None]
    return one + torch.zeros_like(other), other + torch.zeros_like(one)


def boxes_of(one: torch.Tensor, other: torch.Tensor, scale: torch.Tensor, corner: Sequence[Any]) -> torch.Tensor:
    """Boxes in pixels of all pairs of points (N, k, 2) in cells, cut at the upper left corner of the picture.

    Args:
        scale: (2,) width and height of a cell.
        corner: (left, top) of the picture in the input.

    Returns:
        (N, k, k, 4) in pixels of the input.
    """
    low, high = pair(one * scale, other * scale)
    bound = torch.stack([torch.as_tensor(edge, device=scale.device).to(scale) for edge in (*corner, *corner)])
    boxes = torch.cat([low, high], -1)
    return torch.where(boxes > bound, boxes, bound)


def central_distance(boxes: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """How far the centres that two corners point to are apart, as a share of the central region of their box.

    Args:
        boxes: (N, k, k, 4) of the corners, centres: (N, k, k, 4) ``(x, y)`` by the one and by the other.

    Returns:
        (N, k, k), infinite where a centre is outside of the central region.
    """
    low, high = boxes[..., :2], boxes[..., 2:]
    large = _area(boxes)[..., None] > _LARGE
    share = torch.where(large, boxes.new_full((1,), _LARGE_SHARE), boxes.new_full((1,), _SMALL_SHARE))
    middle, half = (low + high) / 2, share * (high - low) / 2
    first, last = middle - half, middle + half
    one, other = centres[..., :2], centres[..., 2:]
    outside = (one <= first) | (one >= last) | (other <= first) | (other >= last)
    distance = _area(centres) / _area(torch.cat([first, last], -1))
    return torch.where(outside.any(-1), distance.new_full((1,), float("inf")), distance)


def _area(boxes: torch.Tensor) -> torch.Tensor:
    size = boxes[..., 2:] - boxes[..., :2]
    return (size[..., 0] * size[..., 1]).abs()


def best_pairs(
    context: ExportContext,
    corners: Tuple[Corners, Corners],
    boxes: torch.Tensor,
    distance: torch.Tensor,
    threshold: float,
    number: int,
) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The best pairs of each image that make a box.

    Args:
        corners: upper left and lower right.
        boxes: (N, k, k, 4), distance: (N, k, k) of the two corners' embeddings or centres.
        threshold: the greatest distance of a pair.
        number: of pairs for each image.

    Returns:
        boxes (N, number, 4), scores (N, number), ``ABSENT`` where there is no pair, and labels (N, number).
    """
    (one, other), (label, label_of_other) = (pair(*map(_get, corners)) for _get in (_scores, _labels))
    turned = (boxes[..., 2:] <= boxes[..., :2]).any(-1)
    wrong = (label != label_of_other) | turned | (distance > threshold)
    scores = torch.where(wrong, boxes.new_full((1,), ABSENT), (one + other) / 2).flatten(1)
    values, index = scores.topk(number, dim=1)
    index = index + image_numbers(context)[:, None] * scores.shape[1]
    return boxes.reshape(-1, 4)[index], values, label.reshape(-1)[index]


def _scores(corners: Corners) -> torch.Tensor:
    return corners.scores


def _labels(corners: Corners) -> torch.Tensor:
    return corners.labels


def cell_size(shape: Any, heat: torch.Tensor) -> torch.Tensor:
    """(2,) width and height in pixels of a cell of the heat map (N, C, H, W) of an image of (height, width, ...)."""
    width, height = (
        torch.as_tensor(length).to(heat) / torch.as_tensor(cells).to(heat)
        for length, cells in ((shape[1], heat.shape[3]), (shape[0], heat.shape[2]))
    )
    return torch.stack([width, height])
