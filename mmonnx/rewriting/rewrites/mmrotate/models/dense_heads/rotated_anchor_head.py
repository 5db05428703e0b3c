"""Stand-in for ``mmrotate/models/dense_heads/rotated_anchor_head.py``: the boxes of a batch."""

from typing import Any, List, Tuple

import torch

from ....context import ExportContext
from ....registry import rewrite
from ....rotated_heads import Found, Priors, class_scores, detections, rows_of_levels


@rewrite("mmrotate.models.dense_heads.rotated_anchor_head.RotatedAnchorHead.get_bboxes")
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
) -> List[Found]:
    """One list element with the detections of the whole batch.

    Args:
        cls_scores: per level (N, priors * classes, H, W).
        bbox_preds: per level (N, priors * 5, H, W).

    Returns:
        [((D, 6) detections, (D,) labels)] of all images; ``context.detections`` has them padded as well.
    """
    priors = Priors(context, cls_scores).of(self.anchor_generator)
    return of_priors(context, self, cls_scores, bbox_preds, priors, img_metas, cfg)


def of_priors(
    context: ExportContext,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    priors: List[torch.Tensor],
    img_metas: Any,
    cfg: Any,
) -> List[Found]:
    """As :func:`get_bboxes`, with the priors (N * S, 5) of each level."""

    def decode(scores: torch.Tensor, deltas: torch.Tensor, anchors: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        return self.bbox_coder.decode(anchors, deltas, max_shape=img_metas[0]["img_shape"]), scores

    scores = [class_scores(self, rows) for rows in rows_of_levels(cls_scores, self.cls_out_channels)]
    best = [rows.max(1)[0] for rows in scores]
    parts = [scores, rows_of_levels(bbox_preds, 5), priors]
    return detections(context, best, parts, decode, self.test_cfg if cfg is None else cfg)
