"""Stand-in for ``mmdet/models/dense_heads/sabl_retina_head.py``."""

from typing import Any, List, Tuple

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
    sizes = [score.shape[-2:] for score in cls_scores]
    (anchors,) = self.get_anchors(sizes, img_metas, device=cls_scores[0].device)
    context.levels = []
    found = self._get_bboxes_single(
        fold(cls_scores),
        fold([pair[0] for pair in bbox_preds]),
        fold([pair[1] for pair in bbox_preds]),
        [for_each_image(context, rows) for rows in anchors],
        img_metas[0]["img_shape"],
        img_metas[0]["scale_factor"],
        cfg,
    )
    return [found]
