"""Non-maximum suppression of upright boxes: greedy, soft, and with the group that each kept box suppressed."""

import ctypes
from typing import Callable, List, Tuple

import torch
import torchvision

from .registry import operator

NAIVE, LINEAR, GAUSSIAN = range(3)


def float32(value: float) -> float:
    """The value as a C++ float holds it: the compiled kernels compare with this, torchvision's with the double."""
    return ctypes.c_float(value).value


def by_score(scores: torch.Tensor) -> torch.Tensor:
    """Indices by falling score; the compiled kernels call the same sort, so that ties come in the same order."""
    return scores.sort(0, descending=True)[1]


def greedy(
    order: torch.Tensor, overlaps: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
) -> Tuple[List[torch.Tensor], List[torch.Tensor]]:
    """Keep the first of the list, drop what it overlaps, and go on with the rest.

    Args:
        order: (N,) int64, indices, the best first.
        overlaps: from an index of shape (1,) and the M indices after it to (M,) bool, true for those to drop.

    Returns:
        The kept indices, each of shape (1,), and for each the indices that it dropped, in the given order.
    """
    kept, dropped = [], []
    while order.numel():
        first, rest = order[:1], order[1:]
        drop = overlaps(first, rest)
        kept.append(first)
        dropped.append(rest[drop])
        order = rest[~drop]
    return kept, dropped


def _iou(
    boxes: torch.Tensor, areas: torch.Tensor, first: torch.Tensor, rest: torch.Tensor, offset: int
) -> torch.Tensor:
    """IoU of one box with others, in the order of operations of the compiled kernel, so that it rounds as that does."""
    corners = torch.max(boxes[first, :2], boxes[rest, :2]), torch.min(boxes[first, 2:4], boxes[rest, 2:4])
    inter = (corners[1] - corners[0] + offset).clamp(min=0).prod(1)
    return inter / (areas[first] + areas[rest] - inter)


def _areas(boxes: torch.Tensor, offset: int) -> torch.Tensor:
    return (boxes[:, 2] - boxes[:, 0] + offset) * (boxes[:, 3] - boxes[:, 1] + offset)


@operator
def nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float, offset: int) -> torch.Tensor:
    """Greedy non-maximum suppression.

    Args:
        boxes: (N, 4).
        scores: (N,).
        iou_threshold: a box that overlaps a kept one by more than this is dropped.
        offset: 0, or 1 where the sides of a box are x2 - x1 + 1 and y2 - y1 + 1.

    Returns:
        (K,) int64, the kept indices by falling score.
    """
    if boxes.numel() == 0:
        return torch.empty((0,), dtype=torch.long, device=boxes.device)
    boxes = boxes if boxes.dtype == torch.float64 else boxes.float()
    order, threshold = by_score(scores), float32(iou_threshold)
    if offset == 0:
        # Ranks stand in for the scores: torchvision's own sort may put ties in another order.
        ranks = torch.arange(order.numel(), 0, -1, dtype=boxes.dtype, device=boxes.device)
        return order[torchvision.ops.nms(boxes[order], ranks, threshold)]
    areas = _areas(boxes, offset)
    kept, _ = greedy(order, lambda first, rest: _iou(boxes, areas, first, rest, offset) > threshold)
    return torch.cat(kept)


@operator
def nms_match(dets: torch.Tensor, iou_threshold: float) -> List[List[int]]:
    """Greedy non-maximum suppression that tells what each kept box dropped (at an IoU of the threshold or more).

    Args:
        dets: (N, 5), boxes and scores.
        iou_threshold: of the suppression.

    Returns:
        A list per kept box, by falling score: its index, then the indices that it dropped.
    """
    areas, threshold = _areas(dets, 0), float32(iou_threshold)
    kept, dropped = greedy(by_score(dets[:, 4]), lambda first, rest: _iou(dets, areas, first, rest, 0) >= threshold)
    return [torch.cat(group).tolist() for group in zip(kept, dropped)]


def _decay(ious: torch.Tensor, threshold: float, sigma: float, method: int) -> torch.Tensor:
    """What the scores of boxes are multiplied with that overlap a better one by ``ious``."""
    if method == GAUSSIAN:
        return torch.exp(-(ious * ious) / sigma)
    reduced = 1 - ious if method == LINEAR else torch.zeros_like(ious)
    return torch.where(ious >= threshold, reduced, torch.ones_like(ious))


def _without(order: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    """Drop from a list as the compiled kernel does: the last ones move into the holes (ties are broken by place)."""
    size = int(keep.sum())
    order, tail = order.clone(), order[size:][keep[size:]]
    holes = torch.nonzero(~keep[:size], as_tuple=False)[:, 0]
    order[holes] = tail.flip(0)
    return order[:size]


@operator
def softnms(
    boxes: torch.Tensor,
    scores: torch.Tensor,
    dets: torch.Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> torch.Tensor:
    """Soft non-maximum suppression: a box that overlaps a better one loses score, and goes when too little is left.

    Args:
        boxes: (N, 4).
        scores: (N,).
        dets: (N, 5), filled from the front with the K boxes that stay and their new scores.
        iou_threshold: of the methods 0 and 1.
        sigma: of the method 2.
        min_score: boxes that fall below it are dropped.
        method: 0 naive, 1 linear, 2 gaussian.
        offset: 0, or 1 where the sides of a box are x2 - x1 + 1 and y2 - y1 + 1.

    Returns:
        (K,) int64, the indices of the boxes in ``dets``.
    """
    areas, scores = _areas(boxes, offset), scores.clone()
    threshold, minimum = float32(iou_threshold), float32(min_score)
    order = torch.arange(boxes.shape[0], device=boxes.device)
    kept: List[torch.Tensor] = []
    while order.numel():
        place = int(scores[order].argmax())
        best = order[place : place + 1].clone()
        order[place] = order[0]
        rest = order[1:]
        dets[len(kept)] = torch.cat((boxes[best[0]], scores[best]))
        kept.append(best)
        scores[rest] *= _decay(_iou(boxes, areas, best, rest, offset), threshold, sigma, method)
        order = _without(rest, ~(scores[rest] < minimum))
    return torch.cat(kept) if kept else order
