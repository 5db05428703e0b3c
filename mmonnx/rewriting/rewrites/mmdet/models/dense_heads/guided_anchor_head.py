"""Stand-ins for ``mmdet/models/dense_heads/guided_anchor_head.py``: anchors that the head itself finds."""

from typing import Any, List, Tuple

import torch

from ....batched import ABSENT, multiclass_detections
from ....context import ExportContext
from ....instances import as_instances
from ....registry import rewrite
from .base_dense_head import best_rows, fold, for_each_image

_HEAD = "mmdet.models.dense_heads.guided_anchor_head.GuidedAnchorHead."
Maps = Tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


@rewrite(_HEAD + "forward_single")
def forward_single(context: ExportContext, original: Any, self: Any, x: torch.Tensor) -> Maps:
    """The head of one level, with a mask for each image where upstream has one alone.

    Args:
        x: (N, C, H, W).

    Returns:
        Class scores, box deltas, shapes and locations, (N, ..., H, W) each.
    """
    location, shape = self.conv_loc(x), self.conv_shape(x)
    x = self.feature_adaption(x, shape)
    mask = location_mask(self, location)
    return self.conv_cls(x, mask), self.conv_reg(x, mask), shape, location


def location_mask(self: Any, location: torch.Tensor) -> torch.Tensor:
    """(N, H, W) bool: where there may be an object, from logits (N, 1, H, W)."""
    return location.sigmoid()[:, 0] >= self.loc_filter_thr


@rewrite(_HEAD + "get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    shape_preds: List[torch.Tensor],
    loc_preds: List[torch.Tensor],
    img_metas: Any,
    cfg: Any = None,
    rescale: bool = False,
) -> List[Any]:
    """One list element with what the head finds in the whole batch; ``_get_bboxes_single`` gets folded maps.

    Args:
        cls_scores: per level (N, anchors * classes, H, W), and the others likewise.
    """
    anchors, masks = _anchors(context, self, shape_preds, loc_preds)
    shape, scale = img_metas[0]["img_shape"], img_metas[0]["scale_factor"]
    return [self._get_bboxes_single(fold(cls_scores), fold(bbox_preds), anchors, masks, shape, scale, cfg, False)]


@rewrite(_HEAD + "predict_by_feat")
def predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    shape_preds: List[torch.Tensor],
    loc_preds: List[torch.Tensor],
    batch_img_metas: Any,
    cfg: Any = None,
    rescale: bool = False,
) -> List[Any]:
    """What ``get_bboxes`` is in 2.x."""
    anchors, masks = _anchors(context, self, shape_preds, loc_preds)
    maps = fold(cls_scores), fold(bbox_preds)
    return [self._predict_by_feat_single(*maps, anchors, masks, img_meta=batch_img_metas[0], cfg=cfg)]


def _anchors(
    context: ExportContext, self: Any, shape_preds: List[torch.Tensor], loc_preds: List[torch.Tensor]
) -> Tuple[List[torch.Tensor], List[torch.Tensor]]:
    """Per level the anchors (N * S, 4) and which of them count (N * S,); ``context.levels`` begins anew."""
    sizes = [shape.shape[-2:] for shape in shape_preds]
    squares = self.square_anchor_generator.grid_priors(sizes, device=shape_preds[0].device)
    found = [_guided(context, self, *maps) for maps in zip(squares, fold(shape_preds), fold(loc_preds))]
    anchors, masks = (list(parts) for parts in zip(*found))
    context.levels = []
    return anchors, masks


def _guided(
    context: ExportContext, self: Any, squares: torch.Tensor, shape: torch.Tensor, location: torch.Tensor
) -> Tuple[torch.Tensor, torch.Tensor]:
    """The anchors (N * S, 4) of one level and which of them count (N * S,), from folded maps."""
    count = int(self.num_base_priors)
    size = shape.permute(1, 2, 0).reshape(-1, 2)
    deltas = torch.cat([torch.zeros_like(size), size], 1)
    anchors = self.anchor_coder.decode(for_each_image(context, squares), deltas, wh_ratio_clip=1e-6)
    mask = location.sigmoid().permute(1, 2, 0) >= self.loc_filter_thr
    return anchors, mask.expand(-1, -1, count).reshape(-1)


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
) -> Tuple[torch.Tensor, torch.Tensor]:
    """The detections of a batch.

    Args:
        cls_scores: per level (anchors * classes, N * H, W), bbox_preds: (anchors * 4, N * H, W).
        mlvl_anchors: per level (N * S, 4), mlvl_masks: (N * S,) bool, which of them count.

    Returns:
        (D, 5) detections and (D,) labels of all images; ``context.detections`` has them padded as well.
    """
    cfg = self.test_cfg if cfg is None else cfg
    boxes, scores = [], []
    for logits, deltas, anchors, mask in zip(cls_scores, bbox_preds, mlvl_anchors, mlvl_masks):
        logits = logits.permute(1, 2, 0).reshape(-1, self.cls_out_channels)
        score = logits.sigmoid() if self.use_sigmoid_cls else logits.softmax(-1)[:, :-1]
        score = torch.where(mask[:, None], score, score.new_full((1,), ABSENT))
        row = best_rows(context, score.max(1)[0], cfg.get("nms_pre", -1))
        deltas = deltas.permute(1, 2, 0).reshape(-1, 4)[row]
        boxes.append(self.bbox_coder.decode(anchors[row], deltas, max_shape=img_shape))
        scores.append(score[row])
    found = multiclass_detections(
        context,
        torch.cat(boxes),
        torch.cat(scores),
        torch.cat(context.levels),
        cfg.score_thr,
        cfg.nms,
        cfg.max_per_img if cfg.max_per_img > 0 else None,
    )
    context.detections = found
    return found.flat_dets, found.flat_labels


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
    found = get_bboxes_single(context, original, self, *maps, img_meta["img_shape"], None, cfg)
    return as_instances(context, *found)[0]
