"""Stand-in for ``mmrotate/models/dense_heads/csl_rotated_retina_head.py``: the boxes of a batch."""

from typing import Any, List, Tuple

import torch

from ....context import ExportContext
from ....registry import rewrite
from ....rotated_heads import Found, Priors, class_scores, detections, rows_of_levels


@rewrite("mmrotate.models.dense_heads.csl_rotated_retina_head.CSLRRetinaHead.get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    angle_clses: List[torch.Tensor],
    img_metas: Any,
    cfg: Any = None,
    *args: Any,
    **kwargs: Any,
) -> List[Found]:
    """One list element with the detections of the whole batch.

    Args:
        cls_scores: per level (N, priors * classes, H, W).
        bbox_preds: per level (N, priors * 5, H, W).
        angle_clses: per level (N, priors * codes, H, W), the classes of the angle.

    Returns:
        [((D, 6) detections, (D,) labels)] of all images; ``context.detections`` has them padded as well.
    """

    def decode(
        scores: torch.Tensor, deltas: torch.Tensor, codes: torch.Tensor, anchors: torch.Tensor
    ) -> Tuple[torch.Tensor, torch.Tensor]:
        angle = self.angle_coder.decode(codes.sigmoid())[:, None]
        if self.use_encoded_angle:
            deltas = torch.cat([deltas[:, :4], angle], 1)
        boxes = self.bbox_coder.decode(anchors, deltas, max_shape=img_metas[0]["img_shape"])
        return boxes if self.use_encoded_angle else torch.cat([boxes[:, :4], angle], 1), scores

    scores = [class_scores(self, rows) for rows in rows_of_levels(cls_scores, self.cls_out_channels)]
    best = [rows.max(1)[0] for rows in scores]
    priors = Priors(context, cls_scores).of(self.anchor_generator)
    parts = [scores, rows_of_levels(bbox_preds, 5), rows_of_levels(angle_clses, self.coding_len), priors]
    return detections(context, best, parts, decode, self.test_cfg if cfg is None else cfg)
