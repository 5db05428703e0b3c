"""Stand-ins for ``mmdet/models/dense_heads/ga_rpn_head.py``."""

from typing import Any, List, Optional

import torch

from ....batched import ABSENT
from ....context import ExportContext
from ....instances import as_instances
from ....proposals import best_of_levels, select_proposals
from ....registry import rewrite
from .rpn_head import large_enough

_HEAD = "mmdet.models.dense_heads.ga_rpn_head.GARPNHead."


@rewrite(_HEAD + "_get_bboxes_single")
def get_bboxes_single(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    mlvl_anchors: List[torch.Tensor],
    mlvl_masks: List[torch.Tensor],
    img_shape: Any,
    scale_factor: Any,
    cfg: Any,
    rescale: bool = False,
) -> torch.Tensor:
    """The proposals (P, 5) of all images; ``context.image_index`` has the image of each.

    Args:
        cls_scores: per level (anchors * classes, N * H, W), bbox_preds: (anchors * 4, N * H, W).
        mlvl_anchors: per level (N * S, 4), mlvl_masks: (N * S,) bool, which of them count.

    Raises:
        NotImplementedError: the levels are to suppress each other.
    """
    cfg = self.test_cfg if cfg is None else cfg
    if cfg.get("nms_across_levels", False):
        raise NotImplementedError("proposals with nms_across_levels=True cannot be exported")
    scores = [
        torch.where(mask, score, score.new_full((1,), ABSENT))
        for score, mask in zip(object_scores(self, cls_scores), mlvl_masks)
    ]
    # upstream calls mmcv's operator itself, level by level, and gives it nothing else
    cfg = type(cfg)({**cfg, "nms": dict(type="nms", iou_threshold=cfg.nms.iou_threshold)})
    return proposals_of_anchors(context, self, scores, mlvl_anchors, bbox_preds, img_shape, cfg, cfg.nms_post)


@rewrite(_HEAD + "_predict_by_feat_single")
def predict_by_feat_single(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    mlvl_anchors: List[torch.Tensor],
    mlvl_masks: List[torch.Tensor],
    img_meta: Any,
    cfg: Any,
    rescale: bool = False,
) -> Any:
    """What ``_get_bboxes_single`` is in 2.x."""
    maps = cls_scores, bbox_preds, mlvl_anchors, mlvl_masks
    rows = get_bboxes_single(context, original, self, *maps, img_meta["img_shape"], None, cfg)
    return as_instances(context, rows, torch.zeros_like(rows[:, 0]).long())[0]


def proposals_of_anchors(
    context: ExportContext,
    head: Any,
    scores: List[torch.Tensor],
    anchors: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    shape: Any,
    cfg: Any,
    limit_of_level: Optional[int] = None,
) -> torch.Tensor:
    """The proposals (P, 5) of all images, of anchors that differ from image to image.

    Args:
        scores: per level (N * S,), anchors: (N * S, 4), bbox_preds: folded (anchors * 4, N * H, W).
        limit_of_level: see ``select_proposals``.
    """
    rows = [anchors, [value.permute(1, 2, 0).reshape(-1, 4) for value in bbox_preds]]
    values, level, priors, deltas = best_of_levels(context, scores, rows, cfg.get("nms_pre", -1))
    boxes = head.bbox_coder.decode(priors.reshape(-1, 4), deltas.reshape(-1, 4), max_shape=shape).view_as(deltas)
    values = large_enough(boxes, values, cfg.min_bbox_size)
    return select_proposals(context, boxes, values, level, len(scores), cfg, limit_of_level)


def object_scores(self: Any, cls_scores: List[torch.Tensor]) -> List[torch.Tensor]:
    """Per level the scores (N * S,) of objects, from folded logits (anchors * classes, N * H, W)."""
    flat = [value.permute(1, 2, 0) for value in cls_scores]
    if self.use_sigmoid_cls:
        return [value.reshape(-1).sigmoid() for value in flat]
    return [value.reshape(-1, 2).softmax(1)[:, 0] for value in flat]
