"""Stand-ins for ``mmdet/models/dense_heads/detr_head.py``."""

from typing import Any, List, Optional, Tuple

import torch

from ....batched import ABSENT
from ....context import ExportContext
from ....instances import as_instances
from ....padding import padded_cells
from ....queries import best_of_all, full_detections, rows_of_queries, scaled_boxes
from ....registry import rewrite

_HEAD = "mmdet.models.dense_heads.detr_head.DETRHead."


@rewrite(_HEAD + "forward_single")
def forward_single(
    context: ExportContext, original: Any, self: Any, x: torch.Tensor, img_metas: Any
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Upstream's ``forward_single`` for any number of images, which it counts in Python.

    Args:
        x: (N, C, H, W).

    Returns:
        Logits (layers, N, Q, classes) and boxes (layers, N, Q, 4) ``(center x, center y, width, height)`` in parts of
        the image, of every decoder layer.
    """
    x = self.input_proj(x)
    padded = padded_cells(context, x)
    states, _ = self.transformer(x, padded, self.query_embedding.weight, self.positional_encoding(padded))
    return self.fc_cls(states), self.fc_reg(self.activate(self.reg_ffn(states))).sigmoid()


@rewrite(_HEAD + "get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    all_cls_scores_list: List[torch.Tensor],
    all_bbox_preds_list: List[torch.Tensor],
    img_metas: Any,
    rescale: bool = False,
) -> List[Tuple[torch.Tensor, torch.Tensor]]:
    """The detections of the batch: those of the last level's last decoder layer.

    Args:
        all_cls_scores_list: per level (layers, N, Q, C).
        all_bbox_preds_list: per level (layers, N, Q, 4).

    Returns:
        [((N * k, 5) detections, (N * k,) labels)]; ``context.detections`` has them by image.
    """
    return [best_queries(context, self, all_cls_scores_list[-1][-1], all_bbox_preds_list[-1][-1], img_metas)]


@rewrite(_HEAD + "predict_by_feat")
def predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    layer_cls_scores: torch.Tensor,
    layer_bbox_preds: torch.Tensor,
    batch_img_metas: Any,
    rescale: bool = True,
) -> List[Any]:
    """What ``get_bboxes`` is in 2.x, from logits (layers, N, Q, C) and boxes (layers, N, Q, 4)."""
    found = best_queries(context, self, layer_cls_scores[-1], layer_bbox_preds[-1], batch_img_metas)
    return as_instances(context, *found)


def best_queries(
    context: ExportContext,
    head: Any,
    logits: torch.Tensor,
    boxes: torch.Tensor,
    img_metas: Any,
    alive: Optional[torch.Tensor] = None,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """What ``_get_bboxes_single`` does, and in 2.x ``_predict_by_feat_single``.

    Args:
        logits: (N, Q, C), boxes: (N, Q, 4) in parts of the image.
        alive: (N, Q) bool which of the queries there are; None for all.
    """
    if head.loss_cls.use_sigmoid:
        scores = _of_those(alive if alive is None else alive[..., None], logits.sigmoid())
        return best_scores(context, head, scores, boxes, img_metas)
    scores, kinds = logits.softmax(-1)[..., :-1].max(-1)
    values, query = _of_those(alive, scores).topk(_limit(head, logits), dim=1)
    found = values, query, rows_of_queries(context, kinds, query)
    return _detections(context, *found, boxes, img_metas)


def best_scores(
    context: ExportContext, head: Any, scores: torch.Tensor, boxes: torch.Tensor, img_metas: Any
) -> Tuple[torch.Tensor, torch.Tensor]:
    """As :func:`best_queries`, of scores (N, Q, C)."""
    return _detections(context, *best_of_all(context, scores, _limit(head, scores)), boxes, img_metas)


def _limit(head: Any, scores: torch.Tensor) -> int:
    return head.test_cfg.get("max_per_img", int(scores.shape[1]))


def _detections(
    context: ExportContext,
    values: torch.Tensor,
    query: torch.Tensor,
    labels: torch.Tensor,
    boxes: torch.Tensor,
    img_metas: Any,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Scores, queries and labels (N, k) with boxes (N, Q, 4), as (N * k, 5) and (N * k,)."""
    corners = scaled_boxes(rows_of_queries(context, boxes, query), img_metas[0]["img_shape"])
    found = full_detections(context, torch.cat([corners, values[..., None]], -1), labels)
    return found.flat_dets, found.flat_labels


def _of_those(alive: Optional[torch.Tensor], scores: torch.Tensor) -> torch.Tensor:
    return scores if alive is None else torch.where(alive, scores, scores.new_full((1,), ABSENT))
