"""Stand-ins for ``mmdet/models/roi_heads/bbox_heads/``: the boxes of a batch from the rows of its RoIs."""

from typing import Any, Optional, Tuple

import torch

from .....batched import multiclass_detections
from .....context import ExportContext
from .....registry import rewrite

_BBOX_HEADS = "mmdet.models.roi_heads.bbox_heads."


@rewrite(_BBOX_HEADS + "sabl_head.SABLHead.get_bboxes")
@rewrite(_BBOX_HEADS + "bbox_head.BBoxHead.get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    rois: torch.Tensor,
    cls_score: torch.Tensor,
    bbox_pred: Optional[torch.Tensor],
    img_shape: Any,
    scale_factor: Any,
    rescale: bool = False,
    cfg: Any = None,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Upstream's decoding and activation, then the suppression of the whole batch at once.

    Args:
        rois: (K, 5) ``(image, x1, y1, x2, y2)`` of all images.
        cls_score: (K, classes + 1).
        bbox_pred: (K, classes * 4), (K, 4) or None.

    Returns:
        (D, 5) detections and (D,) labels of all images; ``context.detections`` has them padded as well.
    """
    boxes, scores = original(self, rois, cls_score, bbox_pred, img_shape, scale_factor, rescale=False, cfg=None)
    if cfg is None:
        return boxes, scores
    found = multiclass_detections(
        context,
        boxes,
        scores[:, :-1],
        context.image_index,
        cfg.score_thr,
        cfg.nms,
        cfg.max_per_img if cfg.max_per_img > 0 else None,
    )
    context.detections = found
    return found.flat_dets, found.flat_labels
