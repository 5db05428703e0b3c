"""Stand-in for ``mmdet/models/roi_heads/mask_scoring_roi_head.py``."""

from typing import Any, List

import torch

from ....context import ExportContext
from ....registry import rewrite
from ....rows import rows_of_label


@rewrite("mmdet.models.roi_heads.mask_scoring_roi_head.MaskScoringRoIHead.simple_test_mask")
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
    masks = rows_of_label(found["mask_pred"], labels)
    ious = rows_of_label(self.mask_iou_head(found["mask_feats"], masks), labels)
    meta = img_metas[0]
    self.mask_head.get_seg_masks(
        found["mask_pred"], boxes[:, :4], labels, self.test_cfg, meta["ori_shape"], meta["scale_factor"], False
    )
    context.mask_scores = context.found.unflatten(ious * boxes[:, 4])
    return [([], [])]
