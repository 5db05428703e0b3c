"""Overlap and non-maximum suppression of rotated boxes."""

import torch

from .nms import by_score, float32
from .registry import operator

_PAIRS = 1 << 18
"""Pairs of boxes per step: each takes some 40 numbers in double precision."""
_CHUNK = 512
"""Boxes that are suppressed at a time."""
_LEAST_AREA = 1e-14
"""Boxes with less have no overlap."""


def shared_area(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    """Area that two boxes share, (P, 5) centre, width, height, angle in radians each -> (P,).

    Where two is upright, pushing every point of the plane to the nearest one in it takes the outline of one to a curve
    around what they share, and around nothing else: what is pushed goes along a side and back. Between the places where
    the outline crosses the sides' lines that curve is straight.
    """
    cos, sin = two[:, 4].cos(), two[:, 4].sin()
    away, turn = one[:, :2] - two[:, :2], one[:, 4] - two[:, 4]
    middle = torch.stack((away[:, 0] * cos + away[:, 1] * sin, away[:, 1] * cos - away[:, 0] * sin))
    along = torch.stack((turn.cos(), turn.sin())) * one[:, 2] / 2
    across = torch.stack((-turn.sin(), turn.cos())) * one[:, 3] / 2
    start = torch.stack((middle - along - across, middle + along - across), 0)
    start = torch.cat((start, 2 * middle - start))  # (4, 2, P), in turn around the box
    edge = start.roll(-1, 0) - start
    side = two[:, 2:4].t() / 2  # (2, P)
    step = torch.where(edge == 0, torch.ones_like(edge), edge)
    crossings = (torch.stack((-side - start, side - start)) / step).clamp(0, 1)  # (2, 4, 2, P)
    shares = crossings.permute(0, 2, 1, 3).flatten(0, 1).sort(0)[0]
    shares = torch.cat((torch.zeros_like(shares[:1]), shares, torch.ones_like(shares[:1])))  # (6, 4, P)
    curve = start + shares[:, :, None] * edge
    x, y = torch.minimum(torch.maximum(curve, -side), side).unbind(2)
    return ((x[1:] + x[:-1]) * (y[1:] - y[:-1])).sum((0, 1)).abs() / 2


def _overlap(one: torch.Tensor, two: torch.Tensor, mode: int) -> torch.Tensor:
    """IoU (mode 0) or intersection over the first (mode 1) of pairs, (P, 5) each -> (P,)."""
    result = [one.new_zeros(0)]
    for first, second in zip(one.double().split(_PAIRS), two.double().split(_PAIRS)):
        area, other = first[:, 2] * first[:, 3], second[:, 2] * second[:, 3]
        shared = shared_area(first, second)
        overlap = shared / (area + other - shared if mode == 0 else area)
        empty = (area < _LEAST_AREA) | (other < _LEAST_AREA)
        result.append(torch.where(empty, torch.zeros_like(overlap), overlap).to(one.dtype))
    return torch.cat(result)


def _extents(boxes: torch.Tensor) -> torch.Tensor:
    """(K, 5) -> (K, 2), half of what each box has of both axes."""
    cos, sin = boxes[:, 4].cos().abs(), boxes[:, 4].sin().abs()
    width, height = boxes[:, 2] / 2, boxes[:, 3] / 2
    return torch.stack((width * cos + height * sin, width * sin + height * cos), 1)


def _near(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    """(K, 5) and (L, 5) -> (K, L) bool, whether the boxes may overlap: the upright ones around them do."""
    gap = (one[:, None, :2] - two[None, :, :2]).abs()
    return (gap <= _extents(one)[:, None] + _extents(two)[None]).all(2)


def _table(one: torch.Tensor, two: torch.Tensor, mode: int) -> torch.Tensor:
    """The overlaps (K, L) of (K, 5) with (L, 5)."""
    one, two = one.contiguous(), two.contiguous()
    table = one.new_zeros((len(one), len(two)))
    rows, columns = _near(one.double(), two.double()).nonzero().unbind(1)
    table[rows, columns] = _overlap(one[rows], two[columns], mode)
    return table


@operator
def box_iou_rotated(
    boxes1: torch.Tensor, boxes2: torch.Tensor, ious: torch.Tensor, mode_flag: int, aligned: bool
) -> None:
    """Overlap of rotated boxes.

    Args:
        boxes1: (N, 5), centre, width, height, angle in radians.
        boxes2: (M, 5), M == N where aligned.
        ious: (N * M,), or (N,) where aligned; filled.
        mode_flag: 0 for the union, 1 for the first box as the denominator.
        aligned: each with its own instead of each with all.
    """
    if ious.numel() == 0:
        return
    boxes1, boxes2 = boxes1[:, :5], boxes2[:, :5]
    if aligned:
        ious.copy_(_overlap(boxes1, boxes2, mode_flag).view_as(ious))
        return
    flat = ious.view(len(boxes1), len(boxes2))
    for rows in torch.arange(len(boxes1)).split(_CHUNK):
        flat[rows] = _table(boxes1[rows], boxes2, mode_flag)


@operator
def nms_rotated(
    dets: torch.Tensor,
    scores: torch.Tensor,
    order: torch.Tensor,
    dets_sorted: torch.Tensor,
    labels: torch.Tensor,
    iou_threshold: float,
    multi_label: int,
) -> torch.Tensor:
    """Greedy non-maximum suppression of rotated boxes; as in mmcv's CPU kernel, labels play no part.

    Args:
        dets: (N, 5 or 6), centre, width, height, angle in radians, and maybe a label.
        scores: (N,).
        order: not used, sorted here.
        dets_sorted: not used.
        labels: not used.
        iou_threshold: a box that overlaps a kept one by this or more is dropped.
        multi_label: not used.

    Returns:
        (K,) int64, the kept indices by falling score.
    """
    order = by_score(scores)
    return order[greedy_rotated(dets[order, :5], float32(iou_threshold))]


def greedy_rotated(boxes: torch.Tensor, threshold: float) -> torch.Tensor:
    """Which of (K, 5) boxes, the best first, stay where each drops those that it overlaps by the threshold or more.

    Returns:
        (S,) int64, rising.
    """
    kept = torch.zeros(0, dtype=torch.long, device=boxes.device)
    for chunk in torch.arange(len(boxes), device=boxes.device).split(_CHUNK):
        left = chunk[~(_table(boxes[kept], boxes[chunk], 0) >= threshold).any(0)]
        kept = torch.cat((kept, left[_first_of_all(_table(boxes[left], boxes[left], 0) >= threshold)]))
    return kept


def _first_of_all(conflict: torch.Tensor) -> torch.Tensor:
    """(K,) bool, what stays of K in their order, where (K, K) says who drops whom."""
    rows, stays = conflict.cpu().numpy(), torch.ones(len(conflict), dtype=torch.bool)
    flags = stays.numpy()
    for number in range(len(rows)):
        if flags[number]:
            flags[number + 1 :] &= ~rows[number, number + 1 :]
    return stays.to(conflict.device)
