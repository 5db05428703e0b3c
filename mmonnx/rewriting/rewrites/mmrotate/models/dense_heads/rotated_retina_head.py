"""Stand-ins for ``mmrotate/models/dense_heads/rotated_retina_head.py`` and the heads that refine its boxes.

Upstream's lists of boxes by image and level have one element here, which holds for each level those of all images.
"""

from typing import Any, List, Optional

import torch

from ....context import ExportContext
from ....registry import rewrite
from ....rotated_heads import Found, Priors, rows_of_levels
from ....rows import rows_of_label
from .rotated_anchor_head import of_priors

_HEADS = "mmrotate.models.dense_heads."
Boxes = List[List[torch.Tensor]]


@rewrite(_HEADS + "rotated_retina_head.RotatedRetinaHead.filter_bboxes")
def filter_bboxes(
    context: ExportContext, original: Any, self: Any, cls_scores: List[torch.Tensor], bbox_preds: List[torch.Tensor]
) -> Boxes:
    """The box of the best anchor of each position: per level (N * H * W, 5).

    Args:
        cls_scores: per level (N, anchors * classes, H, W).
        bbox_preds: per level (N, anchors * 5, H, W).
    """
    found, count = [], int(self.num_anchors)
    levels = zip(
        rows_of_levels(cls_scores, self.cls_out_channels),
        rows_of_levels(bbox_preds, 5),
        Priors(context, cls_scores).of(self.anchor_generator),
    )
    for scores, deltas, anchors in levels:
        best = scores.max(1)[0].reshape(-1, count).argmax(1)
        chosen = [rows_of_label(rows.reshape(-1, count, 5), best) for rows in (anchors, deltas)]
        found.append(self.bbox_coder.decode(*chosen))
    return [found]


@rewrite(_HEADS + "rotated_retina_head.RotatedRetinaHead.refine_bboxes")
def refine_bboxes(
    context: ExportContext, original: Any, self: Any, cls_scores: List[torch.Tensor], bbox_preds: List[torch.Tensor]
) -> Boxes:
    """The box of each anchor: per level (N * S, 5)."""
    anchors = Priors(context, cls_scores).of(self.anchor_generator)
    return [[self.bbox_coder.decode(*pair) for pair in zip(anchors, rows_of_levels(bbox_preds, 5))]]


@rewrite(_HEADS + "rotated_retina_refine_head.RotatedRetinaRefineHead.refine_bboxes")
def refine_again(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    rois: Boxes,
) -> Boxes:
    """The boxes of boxes: per level (N * H * W, 5)."""
    return [[self.bbox_coder.decode(*pair) for pair in zip(rois[0], rows_of_levels(bbox_preds, 5))]]


@rewrite(_HEADS + "kfiou_rotate_retina_refine_head.KFIoURRetinaRefineHead.refine_bboxes")
def kfiou_refine_again(context: ExportContext, original: Any, self: Any, *args: Any, **kwargs: Any) -> Boxes:
    """As :func:`refine_again`."""
    return refine_again(context, original, self, *args, **kwargs)


@rewrite(_HEADS + "rotated_retina_refine_head.RotatedRetinaRefineHead.get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    img_metas: Any,
    cfg: Any = None,
    rescale: bool = False,
    rois: Optional[Boxes] = None,
) -> List[Found]:
    """As ``RotatedAnchorHead.get_bboxes``, with refined boxes, per level (N * H * W, 5), in the place of anchors."""
    assert rois is not None  # as upstream
    return of_priors(context, self, cls_scores, bbox_preds, rois[0], img_metas, cfg)


@rewrite(_HEADS + "kfiou_rotate_retina_refine_head.KFIoURRetinaRefineHead.get_bboxes")
def kfiou_get_bboxes(context: ExportContext, original: Any, self: Any, *args: Any, **kwargs: Any) -> List[Found]:
    """As :func:`get_bboxes`."""
    return get_bboxes(context, original, self, *args, **kwargs)


@rewrite(_HEADS + "odm_refine_head.ODMRefineHead.get_bboxes")
def odm_get_bboxes(context: ExportContext, original: Any, self: Any, *args: Any, **kwargs: Any) -> List[Found]:
    """As :func:`get_bboxes`."""
    return get_bboxes(context, original, self, *args, **kwargs)


@rewrite(_HEADS + "kfiou_odm_refine_head.KFIoUODMRefineHead.get_bboxes")
def kfiou_odm_get_bboxes(context: ExportContext, original: Any, self: Any, *args: Any, **kwargs: Any) -> List[Found]:
    """As :func:`get_bboxes`."""
    return get_bboxes(context, original, self, *args, **kwargs)
