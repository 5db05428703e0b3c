"""Stand-in for ``mmrotate/models/roi_heads/bbox_heads/gv_bbox_head.py``."""

from typing import Any, Tuple

import torch

from .......environment import compat
from .....context import ExportContext
from .....registry import rewrite

_UPRIGHT = "mmrotate.core.bbox.transforms.hbb2obb"
_NMS = "mmrotate.core.post_processing.bbox_nms_rotated.multiclass_nms_rotated"


@rewrite("mmrotate.models.roi_heads.bbox_heads.gv_bbox_head.GVBBoxHead.get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    rois: torch.Tensor,
    cls_score: torch.Tensor,
    bbox_pred: torch.Tensor,
    fix_pred: torch.Tensor,
    ratio_pred: torch.Tensor,
    img_shape: Any,
    scale_factor: Any,
    rescale: bool = False,
    cfg: Any = None,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """The detections of the batch: boxes that fill the upright ones around them stay upright; upstream writes by mask.

    Args:
        rois: (K, 5), of all images.
        cls_score: (K, classes + 1).
        bbox_pred: (K, classes * 4).
        fix_pred: (K, classes * 4), how far the corners glide.
        ratio_pred: (K, classes), how much of the upright box is filled.
    """
    if bbox_pred is None or cfg is None:
        return original(self, rois, cls_score, bbox_pred, fix_pred, ratio_pred, img_shape, scale_factor, False, cfg)
    scores = self.loss_cls.get_activation(cls_score) if self.custom_cls_channels else cls_score.softmax(-1)
    boxes = self.bbox_coder.decode(rois[:, 1:], bbox_pred, max_shape=img_shape)
    rotated = self.fix_coder.decode(boxes, fix_pred)
    upright = compat.upstream(_UPRIGHT)(boxes.reshape(-1, 4), self.version)
    full = ratio_pred.reshape(-1, 1) > self.ratio_thr
    found = torch.where(full, upright, rotated.reshape(-1, 5))
    found = found.reshape(-1, 5 * int(ratio_pred.shape[1]))
    return compat.upstream(_NMS)(found, scores, cfg.score_thr, cfg.nms, cfg.max_per_img)
