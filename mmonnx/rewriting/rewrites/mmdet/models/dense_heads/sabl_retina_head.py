"""Stand-ins for ``mmdet/models/dense_heads/sabl_retina_head.py``."""

from typing import Any, Dict, List, Tuple

import torch

from ....context import ExportContext
from ....registry import rewrite
from .base_dense_head import fold, for_each_image


@rewrite("mmdet.models.dense_heads.sabl_retina_head.SABLRetinaHead.get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[Tuple[torch.Tensor, torch.Tensor]],
    img_metas: Any,
    cfg: Any = None,
    rescale: bool = False,
) -> List[Tuple[torch.Tensor, torch.Tensor]]:
    """The detections of a batch by the head's own code, as ``BaseDenseHead.get_bboxes`` has them.

    Args:
        cls_scores: per level (N, classes, H, W).
        bbox_preds: per level the buckets' scores and offsets, (N, buckets * 4, H, W) each.
    """
    found = self._get_bboxes_single(
        **_folded(context, self, cls_scores, bbox_preds, img_metas),
        img_shape=img_metas[0]["img_shape"],
        scale_factor=img_metas[0]["scale_factor"],
        cfg=cfg,
    )
    return [found]


@rewrite("mmdet.models.dense_heads.sabl_retina_head.SABLRetinaHead.predict_by_feat")
def predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[Tuple[torch.Tensor, torch.Tensor]],
    batch_img_metas: Any,
    cfg: Any = None,
    rescale: bool = False,
    with_nms: bool = True,
) -> List[Any]:
    """What ``get_bboxes`` is in 2.x: one element with the instances of the whole batch."""
    found = self._predict_by_feat_single(
        **_folded(context, self, cls_scores, bbox_preds, batch_img_metas),
        img_meta=batch_img_metas[0],
        cfg=cfg,
        rescale=False,
        with_nms=with_nms,
    )
    return [found]


def _folded(
    context: ExportContext, self: Any, cls_scores: List[torch.Tensor], bbox_preds: Any, img_metas: Any
) -> Dict[str, List[torch.Tensor]]:
    """What the head's own code for an image takes, of the batch as one tall image."""
    sizes = [score.shape[-2:] for score in cls_scores]
    (anchors,) = self.get_anchors(sizes, img_metas, device=cls_scores[0].device)
    context.levels = []
    return dict(
        cls_scores=fold(cls_scores),
        bbox_cls_preds=fold([pair[0] for pair in bbox_preds]),
        bbox_reg_preds=fold([pair[1] for pair in bbox_preds]),
        mlvl_anchors=[for_each_image(context, rows) for rows in anchors],
    )
