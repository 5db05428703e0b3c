"""Detections of a whole batch in one set of tensors: what NMS, top-k and the RoI heads share while exporting."""

from typing import Any, Dict, Optional, Tuple

import torch

from ..symbolics.non_max_suppression import non_max_suppression
from ..symbolics.non_zero import non_zero
from .context import Detections, ExportContext

ABSENT = -1.0
"""The score of a candidate that is not there; real scores are not negative."""


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
        context.extras["image_numbers"] = torch.arange(context.image.shape[0], device=context.image.device)
    return context.extras["image_numbers"]


def suppress(
    boxes: torch.Tensor, scores: torch.Tensor, nms: Dict[str, Any], score_thr: float, limit: int
) -> torch.Tensor:
    """Run the suppression that an ``nms`` config describes, in each batch and class by itself.

    Args:
        boxes: (B, K, 4).
        scores: (B, C, K).
        nms: the config, with ``iou_threshold`` (``iou_thr`` in old configs), ``offset``, ``max_num``.
        score_thr: exclusive lower bound of the scores.
        limit: the greatest number of boxes kept per batch and class.

    Returns:
        (S, 3) int64 rows ``(batch, class, box)``.

    Raises:
        NotImplementedError: the config asks for a suppression that is not rewritten.
    """
    kind = nms.get("type", "nms")
    if kind != "nms":
        raise NotImplementedError(f"nms type {kind!r} cannot be exported; 'nms' can")
    if nms.get("offset", 0):
        # the old convention counts both border pixels: the same IoU as of boxes one pixel longer
        boxes = boxes + boxes.new_tensor([0.0, 0.0, 1.0, 1.0])
    threshold = nms.get("iou_threshold", nms.get("iou_thr"))
    return non_max_suppression(boxes, scores, limit, threshold, max(score_thr, nms.get("score_threshold", score_thr)))


def top_per_image(
    context: ExportContext, scores: torch.Tensor, image: torch.Tensor, limit: Optional[int]
) -> Tuple[torch.Tensor, torch.Tensor]:
    """The best candidates of each image, from the best down.

    Args:
        scores: (S,) scores of the candidates of all images, none negative.
        image: (S,) int64 the image of each.
        limit: the greatest number per image, None for all.

    Returns:
        scores (N, k), ``ABSENT`` where an image has fewer, and the candidates' indices (N, k), S or more where absent.
    """
    number = image_numbers(context)[:, None]
    absent = scores.new_full((1,), ABSENT)
    table = torch.where(image == number, scores, absent)
    # columns of nothing make TopK legal for any number of candidates, none included
    nothing = torch.where(number.expand(-1, limit or 1) < 0, absent, absent)
    table = torch.cat([table, nothing], 1)
    return table.topk(limit if limit is not None else table.shape[1], dim=1)


def gather_detections(
    context: ExportContext,
    boxes: torch.Tensor,
    scores: torch.Tensor,
    labels: torch.Tensor,
    image: torch.Tensor,
    source: torch.Tensor,
    limit: Optional[int],
) -> Detections:
    """Sort the survivors of NMS into images.

    Args:
        boxes: (S, 4) the candidates.
        scores: (S,), labels: (S,) int64, image: (S,) int64.
        source: (S,) int64, what the candidate came from (a row of the RoIs).
        limit: ``max_per_img``, None for all.

    Returns:
        The padded and the flat form.
    """
    values, index = top_per_image(context, scores, image, limit)
    most = (values > ABSENT / 2).long().sum(1).max()
    values, index = values[:, :most], index[:, :most]
    present = values > ABSENT / 2
    # row S, behind the candidates, is what an absent detection looks like
    end = torch.zeros_like(index[:1, :1]) + scores.shape[0]
    padded = torch.where(present, index, end)
    rows = torch.cat([boxes, scores[:, None]], 1)
    flat_index, column = non_zero(present, never_empty=True).unbind(0)
    flat = index.reshape(-1)[flat_index * most + column]
    return Detections(
        dets=torch.cat([rows, rows.new_zeros(1, 5)])[padded],
        labels=torch.cat([labels, labels.new_full((1,), -1)])[padded],
        valid=present,
        flat_dets=rows[flat],
        flat_labels=labels[flat],
        flat_index=flat_index,
        flat_source=source[flat],
    )


def flat_detections(context: ExportContext, rows: torch.Tensor, labels: torch.Tensor) -> Detections:
    """Both forms of detections (K, 5) and labels (K,) that are flat already, image after image."""
    index = context.image_index
    count = (index == image_numbers(context)[:, None]).long().sum(1)
    valid = torch.arange(count.max(), device=count.device) < count[:, None]
    found = Detections(rows, labels, valid, rows, labels, index, index)
    found.labels = torch.where(valid, found.unflatten(labels), labels.new_full((1,), -1))
    found.dets = found.unflatten(rows)
    return found


def multiclass_detections(
    context: ExportContext,
    boxes: torch.Tensor,
    scores: torch.Tensor,
    image: torch.Tensor,
    score_thr: float,
    nms: Dict[str, Any],
    limit: Optional[int],
) -> Detections:
    """What ``mmdet.core.multiclass_nms`` does for one image, for the flat rows of a batch.

    Args:
        boxes: (K, C * 4) boxes per class, or (K, 4) boxes that all classes share.
        scores: (K, C), without a background column.
        image: (K,) int64.
        score_thr: exclusive lower bound of the scores.
        nms: the ``nms`` entry of ``test_cfg``.
        limit: ``max_per_img``; None for all.
    """
    rows, classes = scores.shape[0], int(scores.shape[1])
    bound = limit if limit is not None else 2**31 - 1
    images = image_numbers(context)
    shared = int(boxes.shape[1]) == 4
    by_class = scores.t()  # (C, K)
    # a class is a batch of the operator and an image is a class of it: nothing crosses either border
    table = torch.where(image == images[:, None], by_class[:, None], scores.new_full((1,), ABSENT))  # (C, N, K)
    candidates = boxes[None] if shared else boxes.reshape(-1, classes, 4).transpose(0, 1)
    if nms.get("class_agnostic", False):
        label, row = _suppress_across_classes(candidates, table, nms, score_thr, bound)
    elif shared:
        selected = suppress(candidates, table.flatten(0, 1)[None], nms, score_thr, bound)
        label, row = _divide(selected[:, 1], images.shape[0]), selected[:, 2]
    else:
        selected = suppress(candidates, table, nms, score_thr, bound)
        label, row = selected[:, 0], selected[:, 2]
    place = label * rows + row
    kept = boxes[row] if shared else candidates.reshape(-1, 4)[place]
    return gather_detections(context, kept, by_class.reshape(-1)[place], label, image[row], row, limit)


def _suppress_across_classes(
    candidates: torch.Tensor, table: torch.Tensor, nms: Dict[str, Any], score_thr: float, limit: int
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Class and row of what is left when all classes suppress each other: (C or 1, K, 4) boxes, (C, N, K) scores."""
    boxes = candidates.expand(int(table.shape[0]), -1, -1).reshape(1, -1, 4)
    place = suppress(boxes, table.transpose(0, 1).flatten(1)[None], nms, score_thr, limit)[:, 2]
    label = _divide(place, table.shape[2])
    return label, place - label * table.shape[2]


def _divide(index: torch.Tensor, by: Any) -> torch.Tensor:
    """Integer division of indices; rounding to zero is one Div node, rounding down six."""
    return torch.div(index, by, rounding_mode="trunc")
