"""Stand-in for ``mmdet/models/roi_heads/bbox_heads/multi_instance_bbox_head.py`` of 2.x (CrowdDet)."""

from typing import Any, cast

import torch

from ......symbolics import ABSENT, set_nms
from .....batched import compact, divide, flat_detections, gather_detections, image_numbers
from .....context import Detections, ExportContext
from .....instances import as_instances
from .....registry import rewrite

_HEAD = "mmdet.models.roi_heads.bbox_heads.multi_instance_bbox_head.MultiInstanceBBoxHead."
_LEAST_AREA = 1e-6
"""What upstream's overlaps take for the area of boxes without any."""


@rewrite(_HEAD + "_predict_by_feat_single")
def predict_by_feat_single(
    context: ExportContext,
    original: Any,
    self: Any,
    roi: torch.Tensor,
    cls_score: torch.Tensor,
    bbox_pred: torch.Tensor,
    img_meta: Any,
    rescale: bool = False,
    rcnn_test_cfg: Any = None,
) -> Any:
    """The instances of the batch, of which each RoI gives several: those of one RoI do not suppress each other.

    Args:
        roi: (K, 5), cls_score: (K, instances * (classes + 1)), bbox_pred: (K, instances * 4), of all images.
    """
    if rcnn_test_cfg is None:  # of test-time augmentation: nothing is suppressed
        return original(self, roi, cls_score, bbox_pred, img_meta, rescale, rcnn_test_cfg)
    count = int(self.num_instance)
    scores = cls_score.reshape(-1, self.num_classes + 1).softmax(-1)[:, 1]
    rois = roi.repeat_interleave(count, dim=0)
    boxes = self.bbox_coder.decode(rois[:, 1:], bbox_pred.reshape(-1, 4), max_shape=img_meta["img_shape"])
    image = cast(torch.Tensor, context.image_index).repeat_interleave(count, dim=0)
    present = (image == image_numbers(context)[:, None]) & (scores > rcnn_test_cfg.score_thr)
    place = compact(context, torch.where(present, scores, scores.new_full((1,), ABSENT)))
    index = cast(torch.Tensor, context.image_index)  # of the rows at ``place`` now
    row = place - torch.where(index < 0, torch.zeros_like(index), index) * scores.shape[0]
    candidates = flat_detections(context, torch.cat([boxes, scores[:, None]], 1)[row], divide(row, count))
    context.detections = _left(context, candidates, rcnn_test_cfg.nms["iou_threshold"], rcnn_test_cfg.max_per_img)
    return as_instances(context, context.found.flat_dets, context.found.flat_labels)[0]


def _left(context: ExportContext, candidates: Detections, threshold: float, limit: int) -> Detections:
    """What upstream's ``set_nms`` leaves of the candidates, whose labels are the numbers of their RoIs.

    Args:
        limit: the end of a slice of what is left in the candidates' order, not in that of their scores.
    """
    boxes, scores = candidates.dets[..., :4], candidates.dets[..., 4]
    number = torch.arange(scores.shape[1], device=scores.device)
    above, equal = scores[:, :, None] > scores[:, None], scores[:, :, None] == scores[:, None]
    first = above | (equal & (number[:, None] < number))
    foreign = candidates.labels[:, :, None] != candidates.labels[:, None]
    conflict = (_overlaps(boxes) > threshold) & first & foreign
    kept = set_nms(conflict.to(scores.dtype), candidates.valid.to(scores.dtype)[:, None])[:, 0]
    rank = kept.cumsum(1)
    end = limit if limit >= 0 else rank[:, -1:] + limit
    values = torch.where((kept > 0) & (rank <= end), scores, scores.new_full((1,), ABSENT))
    image = image_numbers(context)[:, None] + torch.zeros_like(candidates.labels)
    values, image = values.reshape(-1), image.reshape(-1)
    return gather_detections(context, boxes.reshape(-1, 4), values, torch.zeros_like(image), image, None)


def _overlaps(boxes: torch.Tensor) -> torch.Tensor:
    """The IoU (N, K, K) of boxes (N, K, 4) with each other, as upstream rounds it."""
    low = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    high = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    union = area[:, :, None] + area[:, None] - shared
    return shared / union.clamp(min=_LEAST_AREA)
