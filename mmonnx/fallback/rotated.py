"""Overlap and non-maximum suppression of rotated boxes."""

from typing import Tuple

import torch

from .nms import by_score, float32, greedy
from .registry import operator

# Pairs of boxes per step: each takes 24 points in double precision.
_PAIRS = 1 << 16
# Points so little outside (of the box's size) count as inside: equal boxes must not lose their corners to rounding.
_SLACK = 1e-9


def _vertices(boxes: torch.Tensor) -> torch.Tensor:
    """(P, 5) centre, width, height, angle in radians -> (P, 4, 2), in turn around the box."""
    cos, sin = boxes[:, 4].cos() / 2, boxes[:, 4].sin() / 2
    width = torch.stack((cos, sin), 1) * boxes[:, 2:3]
    height = torch.stack((-sin, cos), 1) * boxes[:, 3:4]
    return boxes[:, None, :2] + torch.stack((-width - height, width - height, width + height, height - width), 1)


def _cross(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    return one[..., 0] * two[..., 1] - one[..., 1] * two[..., 0]


def _inside(points: torch.Tensor, box: torch.Tensor) -> torch.Tensor:
    """(P, 4, 2) points and (P, 4, 2) vertices of a rectangle -> (P, 4) bool."""
    relative = points - box[:, :1]
    sides = torch.stack((box[:, 1] - box[:, 0], box[:, 3] - box[:, 0]), 1)
    along = relative @ sides.transpose(1, 2)
    squares = (sides * sides).sum(-1)[:, None]
    return ((along >= -_SLACK * squares) & (along <= (1 + _SLACK) * squares)).all(-1)


def _crossings(one: torch.Tensor, two: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
    """Where the edges of two rectangles meet: (P, 16, 2) points and (P, 16) bool, which of them there are."""
    start, edge = one[:, :, None], (one.roll(-1, 1) - one)[:, :, None]
    other, across = two[:, None], (two.roll(-1, 1) - two)[:, None]
    det = _cross(across, edge)
    parallel = det.abs() <= 1e-14
    det = torch.where(parallel, torch.ones_like(det), det)
    first, second = _cross(across, other - start) / det, _cross(edge.expand_as(other - start), other - start) / det
    there = ~parallel & (first >= 0) & (first <= 1) & (second >= 0) & (second <= 1)
    return (start + first[..., None] * edge).flatten(1, 2), there.flatten(1)


def _intersection(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    """Area that two rectangles share, (P, 4, 2) vertices each -> (P,).

    The corners of what they share are sorted by their angle around its middle; those that are none are put on it, where
    they add nothing.
    """
    crossings, there = _crossings(one, two)
    points = torch.cat((crossings, one, two), 1)
    there = torch.cat((there, _inside(one, two), _inside(two, one)), 1)
    points = torch.where(there[..., None], points, torch.zeros_like(points))
    points = points - points.sum(1, keepdim=True) / there.sum(1).clamp(min=1)[:, None, None]
    angle = torch.atan2(points[..., 1], points[..., 0]).masked_fill(~there, float("inf"))
    order = angle.argsort(1)
    points = points.gather(1, order[..., None].expand_as(points))
    # The absent ones, last in the order, repeat the first point: the polygon closes with edges of no length.
    absent = ~there.gather(1, order)[..., None]
    points = torch.where(absent, points[:, :1].expand_as(points), points)
    return _cross(points, points.roll(-1, 1)).sum(1).abs() / 2


def _overlap(one: torch.Tensor, two: torch.Tensor, mode: int) -> torch.Tensor:
    """IoU (mode 0) or intersection over the first (mode 1) of pairs, (P, 5) each -> (P,)."""
    result = []
    for first, second in zip(one.split(_PAIRS), two.split(_PAIRS)):
        first, second = first.double(), second.double()
        middle = torch.nn.functional.pad((first[:, :2] + second[:, :2]) / 2, (0, 3))
        shared = _intersection(_vertices(first - middle), _vertices(second - middle))
        area, other = first[:, 2] * first[:, 3], second[:, 2] * second[:, 3]
        overlap = shared / (area + other - shared if mode == 0 else area)
        result.append(torch.where((area < 1e-14) | (other < 1e-14), torch.zeros_like(overlap), overlap))
    return torch.cat(result).to(one.dtype)


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
    if not aligned:
        count = boxes1.shape[0]
        boxes1, boxes2 = boxes1.repeat_interleave(boxes2.shape[0], 0), boxes2.repeat(count, 1)
    ious.copy_(_overlap(boxes1[:, :5], boxes2[:, :5], mode_flag).view_as(ious))


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
    if dets.numel() == 0:
        return torch.empty((0,), dtype=torch.long, device=dets.device)
    boxes, threshold = dets[:, :5], float32(iou_threshold)

    def overlaps(first: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
        if rest.numel() == 0:
            return torch.zeros_like(rest, dtype=torch.bool)
        return _overlap(boxes[first].expand(rest.numel(), 5), boxes[rest], 0) >= threshold

    return torch.cat(greedy(by_score(scores), overlaps)[0])
