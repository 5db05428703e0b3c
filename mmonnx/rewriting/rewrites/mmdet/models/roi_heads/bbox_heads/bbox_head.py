"""Stand-in for ``mmdet/models/roi_heads/bbox_heads/bbox_head.py`` of 2.x."""

from typing import Any, Optional

import torch

from .......environment import compat
from .....context import ExportContext
from .....instances import as_instances
from .....registry import rewrite

_CODER = "mmdet.core.bbox.coder.delta_xywh_bbox_coder.DeltaXYWHBBoxCoder"
_NMS = "mmdet.core.post_processing.bbox_nms.multiclass_nms"


@rewrite("mmdet.models.roi_heads.bbox_heads.bbox_head.BBoxHead._predict_by_feat_single")
def predict_by_feat_single(
    context: ExportContext,
    original: Any,
    self: Any,
    roi: torch.Tensor,
    cls_score: torch.Tensor,
    bbox_pred: Optional[torch.Tensor],
    img_meta: Any,
    rescale: bool = False,
    rcnn_test_cfg: Any = None,
) -> Any:
    """The instances of the batch; the boxes of all classes of a RoI are decoded at once.

    Upstream repeats each RoI for each class instead, and decodes a table of all.

    Args:
        roi: (K, 5), cls_score: (K, classes + 1), bbox_pred: (K, classes * 4) or (K, 4), of all images.
    """
    if rcnn_test_cfg is None:  # of test-time augmentation: nothing is suppressed
        return original(self, roi, cls_score, bbox_pred, img_meta, rescale, rcnn_test_cfg)
    context.detections = None
    if bbox_pred is None or type(self.bbox_coder).decode is not compat.upstream(_CODER).decode:
        original(self, roi, cls_score, bbox_pred, img_meta, False, rcnn_test_cfg)
    else:
        scores = self.loss_cls.get_activation(cls_score) if self.custom_cls_channels else cls_score.softmax(-1)
        boxes = self.bbox_coder.decode(roi[:, 1:], bbox_pred, max_shape=img_meta["img_shape"])
        cfg = rcnn_test_cfg
        compat.upstream(_NMS)(boxes, scores, cfg.score_thr, cfg.nms, cfg.max_per_img)
    return as_instances(context, context.found.flat_dets, context.found.flat_labels)[0]
