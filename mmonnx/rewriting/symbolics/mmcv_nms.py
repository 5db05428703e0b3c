"""mmcv's suppression of the boxes of one class, hard and soft."""

from typing import Any, Tuple

import torch

from .body import Body, Value
from .operator import Operator

METHODS = ("naive", "linear", "gaussian")
_ABSENT = -1.0
"""The score of a box that is gone; real scores are not negative."""
_NO_LIMIT = 2**31 - 1


def _compute(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float, offset: int) -> torch.Tensor:
    from mmcv.ops.nms import NMSop

    return NMSop.apply(boxes, scores, iou_threshold, offset, 0.0, -1)


def _longer(body: Body, boxes: Value, offset: int) -> Value:
    """The old convention counts both border pixels: the same IoU as of boxes one pixel longer."""
    return boxes + body.constant([0.0, 0.0, 1.0, 1.0]) if offset else boxes


def _write(body: Body, boxes: Value, scores: Value, iou_threshold: float, offset: int) -> Value:
    # a batch of one image, of one class
    boxes, scores = body.unsqueeze(_longer(body, boxes, offset), 0), body.unsqueeze(scores, 0, 1)
    kept = body.op("NonMaxSuppression", boxes, scores, [_NO_LIMIT], body.constant([iou_threshold]))
    return body.column(kept, 2)


def _compute_soft(boxes: torch.Tensor, scores: torch.Tensor, **settings: Any) -> Tuple[torch.Tensor, torch.Tensor]:
    from mmcv.ops.nms import SoftNMSop

    order = ("iou_threshold", "sigma", "min_score", "method", "offset")
    dets, kept = SoftNMSop.apply(boxes, scores, *(settings[name] for name in order))
    return dets[: kept.shape[0]], kept


def _write_soft(
    body: Body,
    boxes: Value,
    scores: Value,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tuple[Value, Value]:
    corners = [body.column(_longer(body, boxes, offset), index) for index in range(4)]
    area = (corners[2] - corners[0]) * (corners[3] - corners[1])
    # mmcv takes the best box of all whatever its score, and of the others those from the minimum up
    best = body.op("ReduceMax", scores, keepdims=0)
    state = body.op("Where", body.op("Or", ~(scores < min_score), body.op("Equal", scores, best)), scores, _ABSENT)
    numbers = body.range(body.size(boxes, 0))

    def step(turn: Value, state: Value) -> Any:
        value, place = body.op("TopK", state, [1], axis=0, outputs=2)
        chosen = [body.op("Gather", corner, place) for corner in corners]
        low = [_pick(body, "Greater", corners[axis], chosen[axis]) for axis in (0, 1)]
        high = [_pick(body, "Less", corners[axis], chosen[axis]) for axis in (2, 3)]
        shared = body.op("Relu", high[0] - low[0]) * body.op("Relu", high[1] - low[1])
        union = area + body.op("Gather", area, place) - shared
        iou = shared / body.op("Where", union > 0.0, union, 1.0)
        weaker = state * _decay(body, iou, method, iou_threshold, sigma)
        kept = (state > _ABSENT / 2) & ~(weaker < min_score) & ~body.op("Equal", numbers, place)
        following = body.op("Where", kept, weaker, _ABSENT)
        return [following], [("float[s]", value), ("int64[s]", place)]

    trips = body.squeeze(body.size(boxes, 0), 0)
    _, values, places = body.loop(trips, [("float[k]", state)], step, scans=2)
    values, places = body.reshape(values, -1), body.reshape(places, -1)
    taken = body.squeeze(body.op("NonZero", values > _ABSENT / 2), 0)
    places = body.op("Gather", places, taken)
    found = body.unsqueeze(body.op("Gather", values, taken), 1)
    return body.op("Concat", body.op("Gather", boxes, places), found, axis=1), places


def _pick(body: Body, relation: str, ours: Value, other: Value) -> Value:
    return body.op("Where", body.op(relation, ours, other), ours, other)


def _decay(body: Body, iou: Value, method: int, threshold: float, sigma: float) -> Value:
    if METHODS[method] == "gaussian":
        return body.op("Exp", -(iou * iou / sigma))
    weaker = body.op("Sub", 1.0, iou) if METHODS[method] == "linear" else body.constant(0.0)
    return body.op("Where", iou > threshold, weaker, 1.0)


_NMS = Operator("NonMaxSuppression", ["boxes", "scores"], _compute, _write, ((torch.int64, 1),))
_SOFT_NMS = Operator(
    "SoftNonMaxSuppression",
    ["boxes", "scores"],
    _compute_soft,
    _write_soft,
    ((torch.float32, 2), (torch.int64, 1)),
)


def mmcv_nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float, offset: int) -> torch.Tensor:
    """Drop the boxes that overlap a better one.

    Args:
        boxes: (K, 4) ``(x1, y1, x2, y2)``.
        scores: (K,).
        iou_threshold: boxes whose IoU with a better one is greater are dropped.
        offset: 1 where the sides of a box are x2 - x1 + 1 and y2 - y1 + 1, else 0.

    Returns:
        (S,) int64, the kept boxes from the best score down.
    """
    return _NMS(boxes, scores, iou_threshold=float(iou_threshold), offset=int(offset))


def mmcv_soft_nms(
    boxes: torch.Tensor,
    scores: torch.Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: str,
    offset: int,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Weaken the boxes that overlap a better one, and drop those that become too weak.

    Args:
        boxes: (K, 4), K > 0.
        scores: (K,), not negative.
        iou_threshold: of the methods naive and linear.
        sigma: of gaussian.
        min_score: boxes that fall below it are dropped.
        method: ``naive``, ``linear`` or ``gaussian``.
        offset: as of :func:`mmcv_nms`.

    Returns:
        (S, 5) boxes with their weakened scores, and (S,) int64 which these are, in the order in which they are taken.
    """
    return _SOFT_NMS(
        boxes,
        scores,
        iou_threshold=float(iou_threshold),
        sigma=float(sigma),
        min_score=float(min_score),
        method=METHODS.index(method),
        offset=int(offset),
    )
