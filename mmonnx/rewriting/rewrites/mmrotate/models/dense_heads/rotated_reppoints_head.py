"""Stand-ins for mmrotate's heads of point sets, ``rotated_reppoints_head.py`` and its two siblings."""

from typing import Any, List, Tuple

import torch

from ......environment import compat
from ....context import ExportContext
from ....registry import rewrite
from ....rotated_heads import Found, Priors, class_scores, detections, rows_of_levels

_HEADS = "mmrotate.models.dense_heads."
_SMALLEST, _BOXES = "mmcv.ops.min_area_polygons.min_area_polygons", "mmrotate.core.bbox.transforms.poly2obb"


@rewrite(_HEADS + "rotated_reppoints_head.RotatedRepPointsHead.get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    pts_preds_init: Any,
    pts_preds_refine: List[torch.Tensor],
    img_metas: Any,
    cfg: Any = None,
    *args: Any,
    **kwargs: Any,
) -> List[Found]:
    """One list element with the detections of the whole batch: the smallest rectangles around the points.

    Args:
        cls_scores: per level (N, classes, H, W).
        pts_preds_refine: per level (N, points * 2, H, W), y and x of each in cells from the position.

    Returns:
        [((D, 6) detections, (D,) labels)] of all images; ``context.detections`` has them padded as well.
    """
    return _of_points(context, self, cls_scores, pts_preds_refine, cfg, whole=False)


@rewrite(_HEADS + "sam_reppoints_head.SAMRepPointsHead.get_bboxes")
def sam_get_bboxes(context: ExportContext, original: Any, self: Any, *args: Any, **kwargs: Any) -> List[Found]:
    """As :func:`get_bboxes`."""
    return get_bboxes(context, original, self, *args, **kwargs)


@rewrite(_HEADS + "oriented_reppoints_head.OrientedRepPointsHead.get_bboxes")
def oriented_get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    pts_preds_init: Any,
    pts_preds_refine: List[torch.Tensor],
    base_feats: Any,
    img_metas: Any,
    cfg: Any = None,
    *args: Any,
    **kwargs: Any,
) -> List[Found]:
    """As :func:`get_bboxes`, with the points in pixels before there is a rectangle around them."""
    return _of_points(context, self, cls_scores, pts_preds_refine, cfg, whole=True)


def _of_points(
    context: ExportContext,
    self: Any,
    cls_scores: List[torch.Tensor],
    points: List[torch.Tensor],
    cfg: Any,
    whole: bool,
) -> List[Found]:
    """The detections of point sets; ``whole`` says whether the rectangles are found in pixels of the image."""

    def decode(scores: torch.Tensor, places: torch.Tensor, priors: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        y, x = places.reshape(-1, int(self.num_points), 2).unbind(2)
        sets = torch.stack([x, y], 2)
        center, stride = priors[:, None, :2], priors[:, None, 2:3]
        sets = sets * stride + center if whole else sets
        corners = compat.upstream(_SMALLEST)(sets.flatten(1)).reshape(-1, 4, 2)
        corners = corners if whole else corners * stride + center
        return compat.upstream(_BOXES)(corners.flatten(1), self.version), scores

    scores = [class_scores(self, rows) for rows in rows_of_levels(cls_scores, self.cls_out_channels)]
    # by softmax upstream counts the classes from the second on
    best = [(rows if self.use_sigmoid_cls else rows[:, 1:]).max(1)[0] for rows in scores]
    priors = Priors(context, cls_scores).of(self.prior_generator, with_stride=True)
    parts = [scores, rows_of_levels(points, 2 * self.num_points), priors]
    return detections(context, best, parts, decode, self.test_cfg if cfg is None else cfg)
