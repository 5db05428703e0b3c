"""Stand-in for ``mmrotate/models/dense_heads/oriented_rpn_head.py``, whose proposals are rotated."""

from typing import Any, List

import torch

from ......environment import compat
from ....context import ExportContext
from ....proposals import candidates, select_proposals
from ....registry import rewrite
from .rotated_rpn_head import large_enough

_AROUND = "mmrotate.core.bbox.transforms.obb2xyxy"


@rewrite("mmrotate.models.dense_heads.oriented_rpn_head.OrientedRPNHead._get_bboxes_single")
def get_bboxes_single(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    mlvl_anchors: Any,
    img_shape: Any,
    scale_factor: Any,
    cfg: Any,
    rescale: bool = False,
) -> torch.Tensor:
    """The proposals (P, 6) of the whole batch: the upright boxes around them suppress each other.

    Args:
        cls_scores: per level (N, A * classes, H, W).
        bbox_preds: per level (N, A * 6, H, W).
    """
    cfg = self.test_cfg if cfg is None else cfg
    rotated, scores, level = candidates(context, self, cls_scores, bbox_preds, cfg.nms_pre, columns=6)
    scores = large_enough(scores, rotated[..., 2:4], cfg.min_bbox_size)
    around = compat.upstream(_AROUND)(rotated.reshape(-1, 5), self.version)
    boxes = around.reshape(*rotated.shape[:2], 4)
    return select_proposals(context, boxes, scores, level, len(cls_scores), cfg, shown=rotated)
