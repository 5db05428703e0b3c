"""Suppression of a batch: a class of an image is a class of the operator."""

from typing import Any, Dict, NamedTuple, Optional

import torch
from torch.nn.functional import pad

from ....environment import compat
from ...symbolics import ABSENT, METHODS, gather_nd, non_max_suppression, soft_nms
from ..context import ExportContext
from .indices import CERTAIN, clip_k

_NO_LIMIT = 2**31 - 1
_ELSEWHERE = 2.0**22
"""A place outside of every picture, also where its classes lie apart, where float32 has whole numbers for millions of
boxes."""
_SCALE, _LIFT = 2.0**64, 2.0**-120
"""What makes every score positive that is there: see :func:`_positive`."""


class Survivors(NamedTuple):
    """What a suppression keeps: for each of S boxes its batch, class and row (S,) int64, and its score (S,).

    Some may be absent: their score is ``ABSENT`` and the rest of them means nothing, but may be used as an index.
    """

    batch: torch.Tensor
    group: torch.Tensor
    row: torch.Tensor
    scores: torch.Tensor


def suppress(
    context: ExportContext,
    boxes: torch.Tensor,
    scores: torch.Tensor,
    nms: Optional[Dict[str, Any]],
    score_thr: float,
    limit: Optional[int],
    best: Optional[torch.Tensor],
    members: Optional[torch.Tensor] = None,
) -> Survivors:
    """Run the suppression that an ``nms`` config describes, in each batch and class by itself.

    Args:
        boxes: (B, K, 4).
        scores: (B, C, K).
        nms: the config, with ``iou_threshold`` (``iou_thr`` in old configs), ``offset``, ``score_threshold``; for
            ``soft_nms`` also ``method``, ``sigma``, ``min_score``. None suppresses nothing.
        score_thr: exclusive lower bound of the scores.
        limit: the greatest number of boxes kept per batch and class, None for all.
        best: (B, C, 1), or to be expanded to it: the best score of the call of mmcv's operator that a class is in,
            see :func:`strongest`; ``soft_nms`` alone needs it.
        members: (C, K) bool, which boxes a class has, where ``scores`` is (1, 1, K) for all classes; None: all of them.

    Raises:
        NotImplementedError: the config asks for a suppression that is not rewritten.
    """
    nms = dict(type="nms", iou_threshold=1.0) if nms is None else nms
    soft = is_soft(nms)
    if nms.get("offset", 0):
        # the old convention counts both border pixels: the same IoU as of boxes one pixel longer
        boxes = boxes + boxes.new_tensor([0.0, 0.0, 1.0, 1.0])
    if soft:
        assert best is not None
        if members is not None:
            scores = torch.where(members, scores, scores.new_full((1,), ABSENT))
        return _soft(boxes, scores, nms, score_thr, limit, best)
    threshold: Any = nms.get("iou_threshold", nms.get("iou_thr"))
    real = scores
    own = None if members is None else members.to(scores.dtype)
    if not context.capabilities.empty_tensors:
        # one more box for every class, which is kept for certain and taken for absent afterwards
        # of Pad on an axis in the middle PPLNN makes garbage, and of ConstantOfShape in front of Concat
        nowhere = boxes.new_zeros(1, 1, 4).expand(boxes.shape[0], 1, 4)
        boxes = torch.cat([boxes, nowhere], 1)
        scores, real = pad(scores, (0, 1), value=CERTAIN), pad(real, (0, 1), value=ABSENT)
        own = None if own is None else pad(own, (0, 1), value=1.0)
        limit = limit and limit + 1
    if not context.capabilities.flat_boxes:
        boxes = _with_area(boxes)
    # of 0 mmcv makes no bound: a score of 0 stays
    bound = nms.get("score_threshold", 0)
    score_thr = max(score_thr, bound) if bound > 0 else score_thr
    if score_thr < 0:
        scores, score_thr = _positive(scores), 0.0
    if own is not None:  # 0 is not above a bound, which is 0 at least: a product, as Where takes four times as long
        scores = own * scores
    selected = non_max_suppression(boxes, scores, limit or _NO_LIMIT, threshold, score_thr)
    batch, group, row = selected.unbind(1)
    return Survivors(batch, group, row, gather_nd(real, selected) if own is None else real.reshape(-1)[row])


def is_soft(nms: Optional[Dict[str, Any]]) -> bool:
    """Whether a config asks for scores to be weakened.

    Raises:
        NotImplementedError: it asks for a suppression that is not rewritten.
    """
    kind = compat.kind_of((nms or {}).get("type", "nms"))
    if kind not in ("nms", "soft_nms"):
        raise NotImplementedError(f"nms type {kind!r} cannot be exported; 'nms' and 'soft_nms' can")
    return bool(kind == "soft_nms")


def _with_area(boxes: torch.Tensor) -> torch.Tensor:
    """The boxes (B, K, 4), of which those without area are elsewhere, with an area, and overlap nothing there too."""
    corner = torch.arange(boxes.shape[1], device=boxes.device)[:, None].to(boxes.dtype) * 2 + _ELSEWHERE
    sides = boxes[..., 2:] - boxes[..., :2]
    flat = (sides[..., :1] * sides[..., 1:]) == 0
    return torch.where(flat, torch.cat([corner, corner, corner + 1, corner + 1], 1), boxes)


def _positive(scores: torch.Tensor) -> torch.Tensor:
    """Scores in the same order, those of 0 above 0 and ``ABSENT`` below it: not every runtime takes a bound below 0.

    A power of two rounds nothing, and makes the least float32, 2^-149, so large that what is added is lost in it: two
    scores are equal behind it if they were before, and none is so small that a runtime takes it for 0.
    """
    return scores * _SCALE + _LIFT


def _soft(
    boxes: torch.Tensor,
    scores: torch.Tensor,
    nms: Dict[str, Any],
    score_thr: float,
    limit: Optional[int],
    best: torch.Tensor,
) -> Survivors:
    """The boxes that soft suppression takes, with their weakened scores."""
    method, minimum = nms.get("method", "linear"), float(nms.get("min_score", 1e-3))
    if method not in METHODS:
        raise NotImplementedError(f"soft_nms method {method!r} cannot be exported; {', '.join(METHODS)} can")
    absent = scores.new_full((1,), ABSENT)
    # mmcv takes the best box of a call whatever its score, and of the others those from the minimum up
    takes_part = (scores > score_thr) & ((scores >= minimum) | (scores == best))
    turns = clip_k(limit or _NO_LIMIT, torch.as_tensor(boxes.shape[1], device=boxes.device))
    values, rows = soft_nms(
        boxes,
        torch.where(takes_part, scores, absent),
        turns,
        method,
        nms.get("iou_threshold", nms.get("iou_thr", 0.3)),
        nms.get("sigma", 0.5),
        minimum,
    )
    batch = torch.arange(scores.shape[0], device=boxes.device)[:, None, None] + torch.zeros_like(rows)
    group = torch.arange(scores.shape[1], device=boxes.device)[:, None] + torch.zeros_like(rows)
    return Survivors(batch.reshape(-1), group.reshape(-1), rows.reshape(-1), values.reshape(-1))
