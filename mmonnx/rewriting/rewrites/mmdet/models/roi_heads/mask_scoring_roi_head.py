"""Stand-ins for ``mmdet/models/roi_heads/mask_scoring_roi_head.py``."""

from typing import Any, List

import torch

from ....batched import flat_detections
from ....context import ExportContext
from ....registry import rewrite
from ....rows import rows_of_label

_BEHIND = 2.0**24
"""More than the number of any image."""
_HEAD = "mmdet.models.roi_heads.mask_scoring_roi_head.MaskScoringRoIHead."


@rewrite(_HEAD + "simple_test_mask")
def simple_test_mask(
    context: ExportContext,
    original: Any,
    self: Any,
    x: Any,
    img_metas: Any,
    det_bboxes: List[torch.Tensor],
    det_labels: List[torch.Tensor],
    rescale: bool = False,
) -> List[Any]:
    """The masks of the batch's detections and their scores: upstream counts detections in Python, which a trace bakes.

    Args:
        det_bboxes: one (K, 5) tensor, det_labels: one (K,) tensor, of all images.
    """
    from mmdet.models.roi_heads.mask_scoring_roi_head import bbox2roi

    (boxes,), (labels,) = det_bboxes, det_labels
    found = self._mask_forward(x, bbox2roi([boxes[:, :4]]))
    ious = _mask_ious(self, found["mask_feats"], found["mask_pred"], labels)
    meta = img_metas[0]
    self.mask_head.get_seg_masks(
        found["mask_pred"], boxes[:, :4], labels, self.test_cfg, meta["ori_shape"], meta["scale_factor"], False
    )
    context.mask_scores = context.found.unflatten(ious * boxes[:, 4])
    return [([], [])]


@rewrite(_HEAD + "predict_mask")
def predict_mask(
    context: ExportContext,
    original: Any,
    self: Any,
    x: Any,
    batch_img_metas: Any,
    results_list: List[Any],
    rescale: bool = False,
) -> List[Any]:
    """What ``simple_test_mask`` is in 2.x, whose detections have the scores of their masks and no others.

    They are sorted by these here, as the detections of all files are; upstream leaves them as the suppression had them.

    Args:
        results_list: the instances of the batch.
    """
    from mmdet.models.roi_heads.mask_scoring_roi_head import bbox2roi

    (instances,) = results_list
    found = self._mask_forward(x, bbox2roi([instances.bboxes]))
    ious = _mask_ious(self, found["mask_feats"], found["mask_preds"], instances.labels)
    instances.scores = instances.scores * ious
    order = _best_first(context, instances.scores)
    results_list = [instances[order]]
    rows = torch.cat([instances.bboxes, instances.scores[:, None]], 1)
    context.detections = flat_detections(context, rows[order], instances.labels[order])
    self.mask_head.predict_by_feat([found["mask_preds"][order]], results_list, batch_img_metas, self.test_cfg)
    return results_list


def _best_first(context: ExportContext, scores: torch.Tensor) -> torch.Tensor:
    """The places of the scores (K,) of a flat batch, image after image, each from the best down; dummies stay last."""
    assert context.image_index is not None  # the detections have left it
    count, image = scores.shape[0], context.image_index.float()
    order = scores.topk(count)[1]
    # of equal values TopK gives the first ones first
    last = torch.where(image < 0, torch.full_like(image[:1], _BEHIND), image)
    return order[(-last)[order].topk(count)[1]]


def _mask_ious(self: Any, features: torch.Tensor, masks: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """How well each mask covers its object (K,), by the mask (K, classes, h, w) of the label (K,)."""
    return rows_of_label(self.mask_iou_head(features, rows_of_label(masks, labels)), labels)
