"""Detections of a whole batch in one set of tensors: what NMS, top-k and the RoI heads share while exporting.

Lists of boxes are flat: the boxes of all images, one after the other, and ``context.image_index`` says whose each is.
For a runtime without empty tensors such a list ends with a dummy, which belongs to image -1, so that it is never empty.
"""

from typing import Any, Dict, NamedTuple, Optional, Sequence, Tuple

import torch
from torch.nn.functional import pad

from ..symbolics.at_least_one import at_least_one
from ..symbolics.gather_nd import gather_nd
from ..symbolics.non_max_suppression import non_max_suppression
from ..symbolics.non_zero import non_zero
from ..symbolics.soft_nms import ABSENT, METHODS, soft_nms
from .context import Detections, ExportContext
from .splitting import cut, goes_by_class, greatest_number, is_agnostic, strongest

_NO_LIMIT = 2**31 - 1
_CERTAIN = 2.0
"""A score above all real ones: what has it is never suppressed."""


class Survivors(NamedTuple):
    """What a suppression keeps: for each of S boxes its batch, class and row (S,) int64, and its score (S,).

    Some may be absent: their score is ``ABSENT`` and the rest of them means nothing, but may be used as an index.
    """

    batch: torch.Tensor
    group: torch.Tensor
    row: torch.Tensor
    scores: torch.Tensor


def clip_k(limit: int, size: Any) -> Any:
    """The smaller of a constant and a size, which is a tensor while tracing and an int otherwise."""
    if not isinstance(size, torch.Tensor):
        return min(limit, size)
    bound = torch.tensor(limit, dtype=size.dtype, device=size.device)
    # Less and Where, since Min knows no int64 before opset 12
    return torch.where(bound < size, bound, size)


def image_numbers(context: ExportContext) -> torch.Tensor:
    """0, 1, ... N - 1 as (N,) int64, one and the same tensor for the whole graph."""
    if "image_numbers" not in context.extras:
        context.extras["image_numbers"] = torch.arange(context.input.shape[0], device=context.input.device)
    return context.extras["image_numbers"]


def suppress(
    context: ExportContext,
    boxes: torch.Tensor,
    scores: torch.Tensor,
    nms: Optional[Dict[str, Any]],
    score_thr: float,
    limit: Optional[int],
    best: torch.Tensor,
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
            see :func:`strongest`.

    Raises:
        NotImplementedError: the config asks for a suppression that is not rewritten.
    """
    nms = dict(type="nms", iou_threshold=1.0) if nms is None else nms
    kind = nms.get("type", "nms")
    if kind not in ("nms", "soft_nms"):
        raise NotImplementedError(f"nms type {kind!r} cannot be exported; 'nms' and 'soft_nms' can")
    if nms.get("offset", 0):
        # the old convention counts both border pixels: the same IoU as of boxes one pixel longer
        boxes = boxes + boxes.new_tensor([0.0, 0.0, 1.0, 1.0])
    if kind == "soft_nms":
        return _soft(boxes, scores, nms, score_thr, limit, best)
    threshold: Any = nms.get("iou_threshold", nms.get("iou_thr"))
    real = scores
    if not context.capabilities.empty_tensors:
        # one more box for every class, which is kept for certain and taken for absent afterwards
        # of Pad on an axis in the middle PPLNN makes garbage, and of ConstantOfShape in front of Concat
        nowhere = boxes.new_zeros(1, 1, 4).expand(boxes.shape[0], 1, 4)
        boxes = torch.cat([boxes, nowhere], 1)
        scores, real = pad(scores, (0, 1), value=_CERTAIN), pad(real, (0, 1), value=ABSENT)
        limit = limit and limit + 1
    # of 0 mmcv makes no bound: a score of 0 stays
    bound = nms.get("score_threshold", 0)
    selected = non_max_suppression(
        boxes, scores, limit or _NO_LIMIT, threshold, max(score_thr, bound) if bound > 0 else score_thr
    )
    batch, group, row = selected.unbind(1)
    return Survivors(batch, group, row, gather_nd(real, selected))


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


def top_per_image(
    context: ExportContext, scores: torch.Tensor, image: torch.Tensor, limit: Optional[int]
) -> Tuple[torch.Tensor, torch.Tensor]:
    """The best candidates of each image, from the best down.

    Args:
        scores: (S,) scores of the candidates of all images, none negative but ``ABSENT``.
        image: (S,) int64 the image of each.
        limit: the greatest number per image, None for all.

    Returns:
        scores (N, k), ``ABSENT`` where an image has fewer, and the candidates' indices (N, k), S or more where absent.
    """
    absent = scores.new_full((1,), ABSENT)
    # columns of nothing make TopK legal for any number of candidates, none included
    more = limit or 1
    image, scores = torch.cat([image, image.new_full((more,), -1)]), torch.cat([scores, scores.new_zeros(more)])
    table = torch.where(image == image_numbers(context)[:, None], scores, absent)
    return table.topk(limit or table.shape[1], dim=1)


def compact(context: ExportContext, values: torch.Tensor, never_empty: bool = False) -> torch.Tensor:
    """The candidates that are there, as a flat list; it ends with a dummy where nothing may be empty.

    Args:
        values: (N, k) scores, ``ABSENT`` where there is nothing.
        never_empty: end with a dummy in any case.

    Returns:
        (K,) int64 the place of each in ``values.reshape(-1)``, 0 for the dummy; ``context.image_index`` then has the
        image of each, -1 for the dummy.
    """
    flat, width = values.reshape(-1), values.shape[1]
    if context.capabilities.empty_tensors and not never_empty:
        found = non_zero(values > ABSENT / 2, never_empty=True)
        # no division: the width is 0 where no image has any
        context.image_index = found[0]
        return found[0] * width + found[1]
    place = non_zero(torch.cat([flat, flat.new_full((1,), _CERTAIN)]) > ABSENT / 2).reshape(-1)
    real = place < flat.shape[0]
    context.image_index = torch.where(real, divide(place, width), place.new_full((1,), -1))
    return torch.where(real, place, place.new_zeros(1))


def gather_detections(
    context: ExportContext,
    boxes: torch.Tensor,
    scores: torch.Tensor,
    labels: torch.Tensor,
    image: torch.Tensor,
    limit: Optional[int],
    end: Optional[int] = None,
) -> Detections:
    """Sort the survivors of NMS into images.

    Args:
        boxes: (S, 4) the candidates.
        scores: (S,), labels: (S,) int64, image: (S,) int64.
        limit: the greatest number per image, None for all.
        end: of the slice that is left of them, see :func:`cut`.

    Returns:
        The padded and the flat form.
    """
    values, index = top_per_image(context, scores, image, limit)
    values = cut(values, end)
    most = longest(context, (values > ABSENT / 2).long().sum(1))
    values, index = values[:, :most], index[:, :most]
    present = values > ABSENT / 2
    # row S, behind the candidates, is what an absent detection looks like
    # counted by the labels: torch 1.13 takes the number of scores, which GatherND gives, for a constant
    end = torch.as_tensor(labels.shape[0], device=index.device)
    rows = torch.cat([torch.cat([boxes, scores[:, None]], 1), boxes.new_zeros(1, 5)])
    labels = torch.cat([labels, labels.new_full((1,), -1)])
    padded = torch.where(present, index, end)
    flat = padded.reshape(-1)[compact(context, values)]
    return Detections(
        dets=rows[padded], labels=labels[padded], valid=present, flat_dets=rows[flat], flat_labels=labels[flat]
    )


def flat_detections(context: ExportContext, rows: torch.Tensor, labels: torch.Tensor) -> Detections:
    """Both forms of detections (K, 5) and labels (K,) that are flat already, image after image."""
    index = context.image_index
    count = (index == image_numbers(context)[:, None]).long().sum(1)
    valid = torch.arange(longest(context, count), device=count.device) < count[:, None]
    found = Detections(rows, labels, valid, rows, labels)
    found.labels = torch.where(valid, found.unflatten(labels), labels.new_full((1,), -1))
    found.dets = found.unflatten(rows)
    return found


def list_detections(
    context: ExportContext,
    boxes: torch.Tensor,
    scores: torch.Tensor,
    labels: torch.Tensor,
    image: torch.Tensor,
    classes: int,
    nms: Optional[Dict[str, Any]],
    limit: Optional[int],
) -> Detections:
    """What ``mmcv.ops.batched_nms`` does for the candidates of one image, for those of a batch.

    Args:
        boxes: (K, 4), scores: (K,), labels: (K,) int64, image: (K,) int64, -1 for a dummy.
        classes: how many there are.
        nms: its config.
        limit: ``max_per_img``, as the end of a slice; None for all.
    """
    top, agnostic, images = greatest_number(limit, nms), is_agnostic(nms), image_numbers(context)
    absent = scores.new_full((1,), ABSENT)
    own = image == images[:, None]
    count = own.long().sum(1)
    by_class = goes_by_class(nms, count)
    # a class of an image is a class of the operator; classes that suppress each other are one more, before them
    width = classes + 1 if agnostic else classes
    if agnostic:
        known = image if context.capabilities.empty_tensors else torch.where(image < 0, image.new_zeros(1), image)
        labels_or_one = torch.where(goes_by_class(nms, count[known]), labels + 1, labels.new_zeros(1))
    else:
        labels_or_one = labels
    group = torch.arange(width, device=image.device) + images[:, None] * width
    mine = torch.where(image < 0, image, image * width + labels_or_one) == group.reshape(-1, 1)
    table = torch.where(mine, scores, absent)
    of_image = torch.where(own, scores, absent).max(1, keepdim=True)[0]
    best = strongest(table.max(1)[0].reshape(-1, width), of_image, by_class[:, None]).reshape(1, -1, 1)
    found = suppress(context, boxes[None], table[None], nms, ABSENT / 2, top, best)
    row = found.row if context.capabilities.empty_tensors else inside(found.row, boxes.shape[0])
    return gather_detections(context, boxes[row], found.scores, labels[row], image[row], top, limit)


def multiclass_detections(
    context: ExportContext,
    boxes: torch.Tensor,
    scores: torch.Tensor,
    image: torch.Tensor,
    score_thr: float,
    nms: Optional[Dict[str, Any]],
    limit: Optional[int],
    factors: Optional[torch.Tensor] = None,
) -> Detections:
    """What ``mmdet.core.multiclass_nms`` does for one image, for the flat rows of a batch.

    Args:
        boxes: (K, C * 4) boxes per class, or (K, 4) boxes that all classes share.
        scores: (K, C), without a background column.
        image: (K,) int64.
        score_thr: exclusive lower bound of the scores.
        nms: the ``nms`` entry of ``test_cfg``.
        limit: ``max_per_img``; None for all.
        factors: (K,), multiplied with the scores that are above the bound.
    """
    classes, images = int(scores.shape[1]), image_numbers(context)
    # of all classes together, as mmcv counts it
    limit = greatest_number(limit, nms)
    shared = int(boxes.shape[1]) == 4
    # a class is a batch of the operator and an image is a class of it: nothing crosses either border
    absent = scores.new_full((1,), ABSENT)
    if factors is not None:
        scores = torch.where(scores > score_thr, scores * factors[:, None], absent)
        score_thr = ABSENT / 2
    table = torch.where(image == images[:, None], scores.t()[:, None], absent)  # (C, N, K)
    candidates = boxes[None] if shared else boxes.reshape(-1, classes, 4).transpose(0, 1)
    settings = _Settings(nms, score_thr, limit)
    by_class = goes_by_class(nms, (table > score_thr).long().sum(2).sum(0))
    if is_agnostic(nms):
        few, many = torch.where(by_class[:, None], absent, table), torch.where(by_class[:, None], table, absent)
        parts = (
            _across_classes(context, candidates, few, settings),
            _class_by_class(context, candidates, many, by_class, settings),
        )
        label, row, found = (torch.cat(pair) for pair in zip(*parts))
    else:
        label, row, found = _class_by_class(context, candidates, table, by_class, settings)
    kept = boxes[row] if shared else candidates.reshape(-1, 4)[label * scores.shape[0] + row]
    return gather_detections(context, kept, found, label, image[row], limit)


class _Settings(NamedTuple):
    """How :func:`multiclass_detections` suppresses: ``suppress`` has the words."""

    nms: Optional[Dict[str, Any]]
    score_thr: float
    limit: Optional[int]


def _across_classes(
    context: ExportContext, boxes: torch.Tensor, table: torch.Tensor, settings: _Settings
) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Label, row and score (S,) of what is left where the classes of an image suppress each other.

    Args:
        boxes: (C, K, 4), or (1, K, 4) that all classes share.
        table: (C, N, K), the scores.
    """
    rows, classes = table.shape[2], int(table.shape[0])
    flat = table.transpose(0, 1).flatten(1)
    everything = boxes.expand(classes, -1, -1).reshape(1, -1, 4)
    best = flat.max(1, keepdim=True)[0]
    found = suppress(context, everything, flat[None], *settings, best)
    place = found.row if context.capabilities.empty_tensors else inside(found.row, rows * classes)
    label = divide(place, rows)
    return label, place - label * rows, found.scores


def _class_by_class(
    context: ExportContext, boxes: torch.Tensor, table: torch.Tensor, by_class: torch.Tensor, settings: _Settings
) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """As :func:`_across_classes`, where each class is for itself; ``by_class`` (N,) says where mmcv's calls are too."""
    images, rows = table.shape[1], table.shape[2]
    own = table.max(2, keepdim=True)[0]
    best = strongest(own, own.max(0, keepdim=True)[0], by_class[:, None])
    if int(boxes.shape[0]) == 1:  # one batch, and each class of each image is a class of the operator
        found = suppress(context, boxes, table.reshape(1, -1, rows), *settings, best.reshape(1, -1, 1))
        label = divide(found.group, images)
    else:
        found = suppress(context, boxes, table, *settings, best)
        label = found.batch
    row = found.row if context.capabilities.empty_tensors else inside(found.row, rows)
    return label, row, found.scores


def rows_of(maps: Sequence[torch.Tensor], channels: int) -> torch.Tensor:
    """The positions of the levels (N, priors * channels, H, W) of a pyramid as rows (N, S, channels)."""
    flat = [value.permute(0, 2, 3, 1).reshape(value.shape[0], -1, channels) for value in maps]
    return torch.cat(flat, 1)


def divide(index: torch.Tensor, by: Any) -> torch.Tensor:
    """Integer division of indices; rounding to zero is one Div node, rounding down six."""
    return torch.div(index, by, rounding_mode="trunc")


def inside(row: torch.Tensor, rows: Any) -> torch.Tensor:
    """The indices, but 0 for those of nothing, which lie behind the rows."""
    return torch.where(row < rows, row, row.new_zeros(1))


def longest(context: ExportContext, count: torch.Tensor, never_empty: bool = False) -> torch.Tensor:
    """The greatest of the numbers (N,) of detections; 1 or more where nothing may be empty."""
    most = count.max()
    if context.capabilities.empty_tensors and not never_empty:
        return at_least_one(most)
    return torch.where(most > 0, most, torch.tensor(1, device=most.device))
