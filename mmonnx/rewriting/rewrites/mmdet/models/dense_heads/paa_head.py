"""Stand-ins for ``mmdet/models/dense_heads/paa_head.py``."""

from typing import Any, Iterable, List, Tuple

import torch

from ......environment import compat
from ....batched import flat_detections
from ....context import ExportContext
from ....registry import rewrite
from .base_dense_head import best_rows

_HEAD = "mmdet.models.dense_heads.paa_head.PAAHead."


@rewrite(_HEAD + "_get_bboxes_single")
def get_bboxes_single(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_score_list: List[torch.Tensor],
    bbox_pred_list: List[torch.Tensor],
    score_factor_list: List[torch.Tensor],
    mlvl_priors: List[torch.Tensor],
    img_meta: Any,
    cfg: Any,
    rescale: bool = False,
    with_nms: bool = True,
    **kwargs: Any,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Upstream's decoding with the best positions of each image, for the folded maps of a batch.

    Args:
        cls_score_list: per level (classes, N * H, W); the others likewise.
        mlvl_priors: per level (N * S, 4).
    """
    cfg = self.test_cfg if cfg is None else cfg
    levels = zip(cls_score_list, bbox_pred_list, score_factor_list, mlvl_priors)
    boxes, scores, factors = _best(context, self, levels, img_meta["img_shape"], cfg)
    scale = img_meta["scale_factor"]
    return self._bbox_post_process(scores, boxes, scale, cfg, False, with_nms, factors, **kwargs)


@rewrite(_HEAD + "_predict_by_feat_single")
def predict_by_feat_single(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_score_list: List[torch.Tensor],
    bbox_pred_list: List[torch.Tensor],
    score_factor_list: List[torch.Tensor],
    mlvl_priors: List[torch.Tensor],
    img_meta: Any,
    cfg: Any = None,
    rescale: bool = False,
    with_nms: bool = True,
) -> Any:
    """What ``_get_bboxes_single`` is in 2.x: the instances of the batch."""
    from mmengine.structures import InstanceData

    cfg = self.test_cfg if cfg is None else cfg
    levels = zip(cls_score_list, bbox_pred_list, score_factor_list, mlvl_priors)
    rows = [torch.cat(parts) for parts in _best(context, self, levels, img_meta["img_shape"], cfg)]
    results = InstanceData(**dict(zip(("bboxes", "scores", "score_factors"), rows)))
    return self._bbox_post_process(results, cfg, False, with_nms, img_meta)


def _best(
    context: ExportContext, self: Any, levels: Iterable[Tuple[torch.Tensor, ...]], shape: Any, cfg: Any
) -> Tuple[List[torch.Tensor], List[torch.Tensor], List[torch.Tensor]]:
    """Per level the boxes (K, 4), scores (K, classes) and factors (K,) of the best positions of each image.

    Args:
        levels: folded logits, deltas, factors and priors of each.
    """
    boxes, scores, factors = [], [], []
    for logits, deltas, factor, priors in levels:
        score = logits.permute(1, 2, 0).reshape(-1, self.cls_out_channels).sigmoid()
        factor = factor.permute(1, 2, 0).reshape(-1).sigmoid()
        row = best_rows(context, (score * factor[:, None]).sqrt().max(1)[0], cfg.get("nms_pre", -1))
        deltas = deltas.permute(1, 2, 0).reshape(-1, 4)[row]
        boxes.append(self.bbox_coder.decode(priors[row], deltas, max_shape=shape))
        scores.append(score[row])
        factors.append(factor[row])
    context.image_index = torch.cat(context.levels)
    return boxes, scores, factors


@rewrite(_HEAD + "score_voting")
def score_voting(
    context: ExportContext,
    original: Any,
    self: Any,
    det_bboxes: torch.Tensor,
    det_labels: torch.Tensor,
    mlvl_bboxes: torch.Tensor,
    mlvl_nms_scores: torch.Tensor,
    score_thr: float,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Every detection becomes the mean of its candidates, by overlap and score; all of a batch at once.

    Args:
        det_bboxes: (D, 5), det_labels: (D,), mlvl_bboxes: (K, 4), mlvl_nms_scores: (K, classes + 1).

    Returns:
        (D, 5) and (D,).
    """
    bbox_overlaps = compat.upstream("mmdet.core.bbox.iou_calculators.iou2d_calculator.bbox_overlaps")

    image = torch.cat(context.levels)
    scores = mlvl_nms_scores.t()[det_labels]  # (D, K)
    overlaps = bbox_overlaps(det_bboxes[:, :4], mlvl_bboxes)
    index = context.image_index
    assert index is not None  # ``get_bboxes_single`` leaves it
    votes = (scores > score_thr) & (overlaps > 0.01) & (image == index[:, None])
    weight = torch.where(votes, torch.exp(-((1 - overlaps) ** 2) / 0.025) * scores, scores.new_zeros(1))
    voted = weight.matmul(mlvl_bboxes) / weight.sum(1, keepdim=True)
    context.detections = flat_detections(context, torch.cat([voted, det_bboxes[:, 4:]], 1), det_labels)
    return context.detections.flat_dets, context.detections.flat_labels
