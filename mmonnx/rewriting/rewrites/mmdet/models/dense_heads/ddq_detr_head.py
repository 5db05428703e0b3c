"""Stand-in for ``mmdet/models/dense_heads/ddq_detr_head.py`` of 2.x."""

from typing import Any, List

import torch

from ....context import ExportContext
from ....distinct import distinct_queries
from ....instances import as_instances
from ....registry import rewrite
from .detr_head import best_queries


@rewrite("mmdet.models.dense_heads.ddq_detr_head.DDQDETRHead.predict_by_feat")
def predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    layer_cls_scores: torch.Tensor,
    layer_bbox_preds: torch.Tensor,
    batch_img_metas: Any,
    rescale: bool = True,
) -> List[Any]:
    """The best of the distinct queries, from logits (layers, N, Q, C) and boxes (layers, N, Q, 4).

    Raises:
        NotImplementedError: the config has no number of detections; upstream then takes as many as it has queries.
    """
    if "max_per_img" not in self.test_cfg:
        raise NotImplementedError("DDQDETRHead without test_cfg.max_per_img gives another number for each image")
    last = layer_cls_scores[-1], layer_bbox_preds[-1]
    return as_instances(context, *best_queries(context, self, *last, batch_img_metas, distinct_queries(context)))
