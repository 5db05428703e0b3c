"""Stand-ins for ``mmcv/ops/nms.py``, for models that suppress by themselves.

mmcv's operators take the boxes of one class of one image. A batch of classes and images would be as many nodes as its
size says, which no graph can have: ``mmonnx/rewriting/rewrites/batched`` has ONNX's operator, with or without
mmcv's own.
"""

from typing import Any, Tuple

import torch

from ....symbolics import mmcv_nms, mmcv_soft_nms, non_zero, rotated_nms
from ...context import ExportContext
from ...registry import rewrite

Found = Tuple[torch.Tensor, torch.Tensor]


@rewrite("mmcv.ops.nms.nms")
def nms(context: ExportContext, original: Any, boxes: Any, scores: Any, *args: Any, **kwargs: Any) -> Found:
    """Suppress boxes (K, 4) with scores (K,): (S, 5) boxes with scores, and (S,) which these are."""
    settings = _settings(("iou_threshold", "offset", "score_threshold", "max_num"), (0, 0, -1), args, kwargs)
    if not (isinstance(boxes, torch.Tensor) and isinstance(scores, torch.Tensor)):
        return original(boxes, scores, *settings)
    threshold, offset, score_threshold, max_num = settings
    if score_threshold > 0:
        above = non_zero(scores > score_threshold, never_empty=True).reshape(-1)
        kept = mmcv_nms(boxes[above], scores[above], threshold, offset)
    else:
        kept = mmcv_nms(boxes, scores, threshold, offset)
    if max_num > 0:
        kept = kept[:max_num]
    kept = above[kept] if score_threshold > 0 else kept
    return torch.cat([boxes[kept], scores[kept].reshape(-1, 1)], 1), kept


@rewrite("mmcv.ops.nms.soft_nms")
def soft_nms(context: ExportContext, original: Any, boxes: Any, scores: Any, *args: Any, **kwargs: Any) -> Found:
    """As :func:`nms`, with weakened scores."""
    names = ("iou_threshold", "sigma", "min_score", "method", "offset")
    settings = _settings(names, (0.3, 0.5, 1e-3, "linear", 0), args, kwargs)
    if not (isinstance(boxes, torch.Tensor) and isinstance(scores, torch.Tensor)):
        return original(boxes, scores, *settings)
    return mmcv_soft_nms(boxes, scores, *settings)


@rewrite("mmcv.ops.nms.nms_rotated")
def nms_rotated(
    context: ExportContext,
    original: Any,
    dets: Any,
    scores: Any,
    iou_threshold: float,
    labels: Any = None,
    clockwise: bool = True,
) -> Found:
    """Suppress rotated boxes (K, 5): (S, 6) boxes with scores, and (S,) which these are; labels play no part."""
    order = scores.topk(scores.shape[0])[1]
    boxes = dets[order] if clockwise else torch.cat([dets[order][:, :4], -dets[order][:, 4:]], 1)
    kept = order[rotated_nms(boxes, torch.zeros_like(order), iou_threshold)]
    return torch.cat([dets[kept], scores[kept].reshape(-1, 1)], 1), kept


def _settings(names: Tuple[str, ...], defaults: Tuple[Any, ...], args: Tuple[Any, ...], kwargs: Any) -> Tuple[Any, ...]:
    """The arguments behind boxes and scores in mmcv's order, of which one has an old name."""
    given = {**dict(zip(names[len(names) - len(defaults) :], defaults)), **dict(zip(names, args)), **kwargs}
    given["iou_threshold"] = given.pop("iou_thr", given.get("iou_threshold"))
    unknown = set(given) - set(names)
    if unknown:
        raise TypeError(f"unexpected arguments {sorted(unknown)}")
    return tuple(given[name] for name in names)
