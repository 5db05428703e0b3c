"""Stand-in for ``mmdet/models/roi_heads/bbox_heads/sabl_head.py`` of 2.x."""

from typing import Any

from .....context import ExportContext
from .....instances import as_instances
from .....registry import rewrite


@rewrite("mmdet.models.roi_heads.bbox_heads.sabl_head.SABLHead._predict_by_feat_single")
def predict_by_feat_single(
    context: ExportContext,
    original: Any,
    self: Any,
    roi: Any,
    cls_score: Any,
    bbox_pred: Any,
    img_meta: Any,
    rescale: bool = False,
    rcnn_test_cfg: Any = None,
) -> Any:
    """Upstream's own, whose parts have stand-ins; its instances are those that the suppression left in ``context``."""
    found = original(self, roi, cls_score, bbox_pred, img_meta, False, rcnn_test_cfg)
    if rcnn_test_cfg is None:  # of test-time augmentation: nothing is suppressed
        return found
    return as_instances(context, context.found.flat_dets, context.found.flat_labels)[0]
