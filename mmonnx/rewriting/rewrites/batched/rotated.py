"""Suppression of rotated boxes of a batch, as mmrotate's ``multiclass_nms_rotated`` does it for one image."""

from typing import Any, Optional

import torch

from ...symbolics import non_zero, rotated_nms
from ..context import Detections, ExportContext
from .indices import greatest_of_images, image_numbers
from .lists import gather_detections


def rotated_detections(
    context: ExportContext,
    boxes: torch.Tensor,
    scores: torch.Tensor,
    image: torch.Tensor,
    score_thr: float,
    nms: Any,
    limit: Optional[int],
    factors: Optional[torch.Tensor] = None,
) -> Detections:
    """The detections that are left of the flat rows of a batch.

    Args:
        boxes: (K, C * 5) centre, width, height, angle per class, or (K, 5) that all classes share.
        scores: (K, C), without a background column.
        image: (K,) int64.
        score_thr: exclusive lower bound of the scores.
        nms: the ``nms`` entry of ``test_cfg``, which has ``iou_thr``.
        limit: ``max_per_img``, no limit below 1.
        factors: (K,), multiplied with the scores that are above the bound.

    Raises:
        NotImplementedError: the runtime has no empty tensors.
    """
    if not context.capabilities.empty_tensors:
        raise NotImplementedError("rotated boxes cannot be suppressed in a runtime without empty tensors")
    classes, limit = int(scores.shape[1]), limit if limit and limit > 0 else None
    row, label = non_zero(scores > score_thr, never_empty=True)
    values = scores if factors is None else scores * factors[:, None]
    place = row * classes + label
    value, order = values.reshape(-1)[place].topk(row.shape[0])
    row, label = row[order], label[order]
    found = boxes[row] if int(boxes.shape[1]) == 5 else boxes.reshape(-1, 5)[place[order]]
    owner = image[row]
    kept = rotated_nms(_apart(context, found, label, owner), owner, float(nms["iou_thr"]), limit or 0)
    return gather_detections(context, found[kept], value[kept], label[kept], owner[kept], limit)


def _apart(context: ExportContext, boxes: torch.Tensor, label: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """The boxes (K, 5), each class in a place of its own.

    As far away as upstream has it, of each image by itself: what is rounded there decides what overlaps how much.
    """
    own = image == image_numbers(context)[:, None]
    greatest = [greatest_of_images(values.max(1)[0], own) for values in (boxes[:, :2], boxes[:, 2:4])]
    offset = label.to(boxes.dtype) * (greatest[0] + greatest[1] + 1)[image]
    return torch.cat([boxes[:, :2] + offset[:, None], boxes[:, 2:]], 1)
