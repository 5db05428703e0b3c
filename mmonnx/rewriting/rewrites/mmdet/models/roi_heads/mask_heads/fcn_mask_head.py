"""Stand-in for ``mmdet/models/roi_heads/mask_heads/fcn_mask_head.py``."""

from typing import Any, List, Sequence

import torch

from .....context import ExportContext
from .....mask_pasting import keep_masks
from .....registry import rewrite
from .....rows import rows_of_label


@rewrite("mmdet.models.roi_heads.mask_heads.fcn_mask_head.FCNMaskHead.get_seg_masks")
def get_seg_masks(
    context: ExportContext,
    original: Any,
    self: Any,
    mask_pred: torch.Tensor,
    det_bboxes: torch.Tensor,
    det_labels: torch.Tensor,
    rcnn_test_cfg: Any,
    ori_shape: Any,
    scale_factor: Any,
    rescale: bool,
) -> List[Any]:
    """The masks of the batch's detections, kept in ``context.masks``: upstream's lists per class are for people.

    Args:
        mask_pred: (K, classes, h, w) logits, or probabilities that ``merge_aug_masks`` made.
        det_bboxes: (K, 4 or 5), det_labels: (K,).
    """
    chosen = mask_pred[:, 0] if self.class_agnostic else rows_of_label(mask_pred, det_labels)
    if mask_pred is not context.extras.get("merged_masks"):
        chosen = chosen.sigmoid()
    keep_masks(context, chosen, det_bboxes[:, :4], rcnn_test_cfg.mask_thr_binary)
    return []


@rewrite("mmdet.models.roi_heads.mask_heads.fcn_mask_head.FCNMaskHead.predict_by_feat")
def predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    mask_preds: Sequence[torch.Tensor],
    results_list: List[Any],
    batch_img_metas: Any,
    rcnn_test_cfg: Any,
    rescale: bool = False,
    activate_map: bool = False,
) -> List[Any]:
    """What ``get_seg_masks`` is in 2.x; the masks stay in ``context``, the instances as they are.

    Args:
        mask_preds: one (K, classes, h, w), logits or, where ``activate_map``, probabilities.
        results_list: the instances of the batch.
    """
    (masks,), (found,) = mask_preds, results_list
    chosen = masks[:, 0] if self.class_agnostic else rows_of_label(masks, found.labels)
    keep_masks(context, chosen if activate_map else chosen.sigmoid(), found.bboxes, rcnn_test_cfg.mask_thr_binary)
    return results_list
