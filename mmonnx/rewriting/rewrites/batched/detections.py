"""What mmcv's and mmdet's suppression functions do for an image, for a batch."""

from typing import Any, Dict, NamedTuple, Optional, Tuple

import torch

from ...symbolics import ABSENT
from ..context import Detections, ExportContext
from ..splitting import goes_by_class, greatest_number, is_agnostic, strongest
from .indices import divide, greatest_of_images, image_numbers, inside
from .lists import gather_detections
from .suppression import is_soft, suppress


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
    top, empty = greatest_number(limit, nms), context.capabilities.empty_tensors
    images = image_numbers(context)
    own = image == images[:, None]
    known = image if empty else torch.where(image < 0, image.new_zeros(1), image)
    by_class = goes_by_class(nms, own.long().sum(1))
    # classes that suppress each other are one more, before the others
    group, groups = labels, classes
    if is_agnostic(nms):
        group, groups = torch.where(by_class[known], labels + 1, labels.new_zeros(1)), classes + 1
    if empty and top is not None and not is_soft(nms):
        boxes_apart = _apart(boxes, group, own, known)
        found = suppress(context, boxes_apart[None], scores[None, None], nms, ABSENT / 2, top, None, own)
    else:
        # a class of an image is a class of the operator
        number = torch.arange(groups, device=image.device) + images[:, None] * groups
        mine = torch.where(image < 0, image, image * groups + group) == number.reshape(-1, 1)
        best = _strongest_of_calls(scores, own, mine, by_class)
        found = suppress(context, boxes[None], scores[None, None], nms, ABSENT / 2, top, best, mine)
    row = found.row if empty else inside(found.row, boxes.shape[0])
    return gather_detections(context, boxes[row], found.scores, labels[row], image[row], top, limit, row)


def _apart(boxes: torch.Tensor, group: torch.Tensor, own: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """The boxes (K, 4), each group (K,) of each image moved to a place of its own, as mmcv moves them.

    What is rounded there decides what overlaps how much. One call of the operator for all groups of an image is faster
    than a table of groups and boxes, as long as few boxes are kept: each is compared with all of them.

    Args:
        own: (N, K) bool, which an image has; image: (K,) int64.
    """
    offset = group.to(boxes.dtype) * (greatest_of_images(boxes.max(1)[0], own)[image] + 1)
    return boxes + torch.stack([offset] * 4, 1)  # a runtime takes four times as long along (K, 1)


def _strongest_of_calls(
    scores: torch.Tensor, own: torch.Tensor, mine: torch.Tensor, by_class: torch.Tensor
) -> torch.Tensor:
    """The best score of the call of mmcv's operator that each class of each image is in, (1, N * C, 1).

    Args:
        scores: (K,).
        own: (N, K) bool, which an image has.
        mine: (N * C, K) bool, which a class of an image has.
        by_class: (N,) bool, whether each class of an image is a call.
    """
    absent = scores.new_full((1,), ABSENT)
    of_image = torch.where(own, scores, absent).max(1, keepdim=True)[0]
    of_class = torch.where(mine, scores, absent).max(1)[0].reshape(own.shape[0], -1)
    return strongest(of_class, of_image, by_class[:, None]).reshape(1, -1, 1)


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
