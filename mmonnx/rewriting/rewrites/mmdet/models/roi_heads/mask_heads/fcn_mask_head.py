"""Stand-in for ``mmdet/models/roi_heads/mask_heads/fcn_mask_head.py``."""

from typing import Any, List

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
