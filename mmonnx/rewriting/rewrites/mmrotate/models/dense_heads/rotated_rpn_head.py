"""Stand-ins for ``mmrotate/models/dense_heads/rotated_rpn_head.py``, whose proposals are upright."""

from typing import Any, List

import torch

from ....batched import ABSENT
from ....context import ExportContext
from ....proposals import candidates, select_proposals
from ....registry import rewrite

_HEAD = "mmrotate.models.dense_heads.rotated_rpn_head.RotatedRPNHead."


@rewrite(_HEAD + "get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    img_metas: Any,
    cfg: Any = None,
    *args: Any,
    **kwargs: Any,
) -> List[torch.Tensor]:
    """A list with the proposals of all images, by the head's own ``_get_bboxes_single``."""
    return [self._get_bboxes_single(cls_scores, bbox_preds, None, img_metas[0]["img_shape"], None, cfg)]


@rewrite(_HEAD + "_get_bboxes_single")
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
    """The proposals (P, 5) of the whole batch, of maps of all images; ``context.image_index`` then has their images.

    Args:
        cls_scores: per level (N, A * classes, H, W).
        bbox_preds: per level (N, A * 4, H, W).
    """
    cfg = self.test_cfg if cfg is None else cfg
    boxes, scores, level = candidates(context, self, cls_scores, bbox_preds, cfg.nms_pre)
    scores = large_enough(scores, boxes[..., 2:] - boxes[..., :2], cfg.min_bbox_size)
    return select_proposals(context, boxes, scores, level, len(cls_scores), cfg)


def large_enough(scores: torch.Tensor, sides: torch.Tensor, minimum: float) -> torch.Tensor:
    """The scores (N, K), ``ABSENT`` where one of the sides (N, K, 2) is less than a minimum, if that is above 0."""
    if minimum <= 0:
        return scores
    return torch.where(sides.min(-1)[0] >= minimum, scores, scores.new_full((1,), ABSENT))
