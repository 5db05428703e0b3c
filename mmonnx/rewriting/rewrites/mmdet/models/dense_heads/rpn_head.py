"""Stand-in for ``mmdet/models/dense_heads/rpn_head.py``."""

from typing import Any, List

import torch

from ......environment import compat
from ....batched import ABSENT
from ....context import ExportContext
from ....instances import as_instances
from ....proposals import candidates, select_proposals
from ....registry import rewrite


@rewrite("mmdet.models.dense_heads.rpn_head.RPNHead.get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    *args: Any,
    **kwargs: Any,
) -> List[torch.Tensor]:
    """The proposals of the whole batch, and only those that exist.

    The order of the work is top-k on the logits, then decoding of what is left: the anchors of the kept positions
    are computed from the base anchors, the grid of all anchors is never made.

    Args:
        cls_scores: per level (N, A * classes, H, W).
        bbox_preds: per level (N, A * 4, H, W).

    Returns:
        A list with one (K, 5) tensor, the proposals of all images, image after image, best first;
        ``context.image_index`` says which image each belongs to.
    """
    cfg = kwargs.get("cfg") or self.test_cfg
    boxes, scores, level = candidates(context, self, cls_scores, bbox_preds, cfg.get("nms_pre", -1))
    minimum, inclusive = cfg.get("min_bbox_size", -1), compat.keeps_proposals_of_the_minimum()
    if minimum > 0 or not inclusive:
        scores = large_enough(boxes, scores, minimum, inclusive)
    return [select_proposals(context, boxes, scores, level, len(cls_scores), cfg)]


@rewrite("mmdet.models.dense_heads.rpn_head.RPNHead.predict_by_feat")
def predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    *args: Any,
    **kwargs: Any,
) -> List[Any]:
    """What ``get_bboxes`` is in 2.x."""
    (rows,) = get_bboxes(context, original, self, cls_scores, bbox_preds, *args, **kwargs)
    return as_instances(context, rows, torch.zeros_like(rows[:, 0]).long())


def large_enough(boxes: torch.Tensor, scores: torch.Tensor, minimum: float, inclusive: bool = False) -> torch.Tensor:
    """The scores (N, K), ``ABSENT`` where width or height of the boxes (N, K, 4) is no more than the minimum.

    Args:
        minimum: in pixels; less than 0 keeps all.
        inclusive: keep those of exactly the minimum.
    """
    if minimum < 0:
        return scores
    size = (boxes[..., 2:] - boxes[..., :2]).min(-1)[0]
    return torch.where(size >= minimum if inclusive else size > minimum, scores, scores.new_full((1,), ABSENT))
