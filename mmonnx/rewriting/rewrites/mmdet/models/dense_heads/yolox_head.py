"""Stand-ins for ``mmdet/models/dense_heads/yolox_head.py``."""

from typing import Any, List, Tuple

import torch

from ....batched import ABSENT, compact, list_detections, rows_of
from ....context import ExportContext
from ....instances import as_instances
from ....registry import rewrite


@rewrite("mmdet.models.dense_heads.yolox_head.YOLOXHead.get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    objectnesses: List[torch.Tensor],
    img_metas: Any = None,
    cfg: Any = None,
    rescale: bool = False,
    with_nms: bool = True,
) -> List[Tuple[torch.Tensor, torch.Tensor]]:
    """The detections of a batch: of each position the best class alone, as upstream has it.

    Args:
        cls_scores: per level (N, classes, H, W), bbox_preds: (N, 4, H, W), objectnesses: (N, 1, H, W).

    Returns:
        [((D, 5) detections, (D,) labels)] of all images; ``context.detections`` has them padded as well.
    """
    cfg = self.test_cfg if cfg is None else cfg
    sizes = [score.shape[-2:] for score in cls_scores]
    first = cls_scores[0]
    priors = self.prior_generator.grid_priors(sizes, dtype=first.dtype, device=first.device, with_stride=True)
    scores, labels = rows_of(cls_scores, self.cls_out_channels).sigmoid().max(2)
    scores = scores * rows_of(objectnesses, 1)[..., 0].sigmoid()
    boxes = self._bbox_decode(torch.cat(priors), rows_of(bbox_preds, 4))
    scores = torch.where(scores >= cfg.score_thr, scores, scores.new_full((1,), ABSENT))
    place = compact(context, scores)
    found = list_detections(
        context,
        boxes.reshape(-1, 4)[place],
        scores.reshape(-1)[place],
        labels.reshape(-1)[place],
        context.image_index,
        self.num_classes,
        cfg.nms,
        None,
    )
    context.detections = found
    return [(found.flat_dets, found.flat_labels)]


@rewrite("mmdet.models.dense_heads.yolox_head.YOLOXHead.predict_by_feat")
def predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    objectnesses: List[torch.Tensor],
    batch_img_metas: Any = None,
    cfg: Any = None,
    rescale: bool = False,
    with_nms: bool = True,
) -> List[Any]:
    """What ``get_bboxes`` is in 2.x."""
    (found,) = get_bboxes(context, original, self, cls_scores, bbox_preds, objectnesses, batch_img_metas, cfg)
    return as_instances(context, *found)
