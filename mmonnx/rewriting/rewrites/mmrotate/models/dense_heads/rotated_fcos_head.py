"""Stand-in for ``mmrotate/models/dense_heads/rotated_fcos_head.py``: the boxes of a batch."""

from typing import Any, List, Tuple

import torch

from ....context import ExportContext
from ....registry import rewrite
from ....rotated_heads import Found, Priors, detections, rows_of_levels


@rewrite("mmrotate.models.dense_heads.rotated_fcos_head.RotatedFCOSHead.get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    angle_preds: List[torch.Tensor],
    centernesses: List[torch.Tensor],
    img_metas: Any,
    cfg: Any = None,
    rescale: Any = None,
) -> List[Found]:
    """One list element with the detections of the whole batch.

    Args:
        cls_scores: per level (N, classes, H, W).
        bbox_preds: per level (N, 4, H, W).
        angle_preds: per level (N, 1, H, W), or as many as angles are coded in.
        centernesses: per level (N, 1, H, W).

    Returns:
        [((D, 6) detections, (D,) labels)] of all images; ``context.detections`` has them padded as well.
    """

    coder = getattr(self, "angle_coder", None)

    def decode(
        scores: torch.Tensor, sides: torch.Tensor, angles: torch.Tensor, factors: torch.Tensor, points: torch.Tensor
    ) -> Tuple[torch.Tensor, ...]:
        angles = angles if coder is None else coder.decode(angles)[:, None]
        boxes = self.bbox_coder.decode(points, torch.cat([sides, angles], 1), max_shape=img_metas[0]["img_shape"])
        return boxes, scores, factors[:, 0]

    scores = [rows.sigmoid() for rows in rows_of_levels(cls_scores, self.cls_out_channels)]
    factors = [rows.sigmoid() for rows in rows_of_levels(centernesses, 1)]
    best = [(one * two).max(1)[0] for one, two in zip(scores, factors)]
    sides, angles = rows_of_levels(bbox_preds, 4), rows_of_levels(angle_preds, int(angle_preds[0].shape[1]))
    parts = [scores, sides, angles, factors, Priors(context, cls_scores).of(self.prior_generator)]
    return detections(context, best, parts, decode, self.test_cfg if cfg is None else cfg)
