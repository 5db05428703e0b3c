"""Stand-ins for ``mmdet/models/dense_heads/yolo_head.py``."""

from typing import Any, List, Tuple

import torch

from ......environment import compat
from ....batched import ABSENT, compact, multiclass_detections, rows_of
from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmdet.models.dense_heads.yolo_head.YOLOV3Head.get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    pred_maps: List[torch.Tensor],
    img_metas: Any,
    cfg: Any = None,
    rescale: bool = False,
    with_nms: bool = True,
) -> List[Tuple[torch.Tensor, torch.Tensor]]:
    """The detections of a batch; only positions with an object enter the suppression.

    Args:
        pred_maps: per level (N, anchors * (5 + classes), H, W).

    Returns:
        [((D, 5) detections, (D,) labels)] of all images; ``context.detections`` has them padded as well.
    """
    cfg = self.test_cfg if cfg is None else cfg
    boxes, objectness, logits = _decode(self, pred_maps)
    bound = cfg.get("conf_thr", -1)
    there = torch.where(objectness >= bound, objectness, objectness.new_full((1,), ABSENT))
    place = compact(context, there)
    found = multiclass_detections(
        context,
        boxes.reshape(-1, 4)[place],
        logits.reshape(-1, self.num_classes)[place].sigmoid(),
        context.image_index,
        cfg.score_thr,
        cfg.nms,
        cfg.max_per_img if cfg.max_per_img > 0 else None,
        objectness.reshape(-1)[place],
    )
    context.detections = found
    return [(found.flat_dets, found.flat_labels)]


def _decode(self: Any, pred_maps: List[torch.Tensor]) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Boxes (N, S, 4), how sure there is an object (N, S), and logits of the classes (N, S, classes)."""
    sizes = [pred.shape[-2:] for pred in pred_maps]
    anchors = self.prior_generator.grid_priors(sizes, device=pred_maps[0].device)
    strides = [rows.new_full(rows.shape[:1], stride) for rows, stride in zip(anchors, self.featmap_strides)]
    rows = rows_of(pred_maps, self.num_attrib)
    deltas = torch.cat([rows[..., :2].sigmoid(), rows[..., 2:4]], 2)
    boxes = self.bbox_coder.decode(torch.cat(anchors), deltas, torch.cat(strides)[:, None])
    return boxes, rows[..., 4].sigmoid(), rows[..., 5:]


@rewrite("mmdet.models.dense_heads.yolo_head.YOLOV3Head.predict_by_feat")
def predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    pred_maps: List[torch.Tensor],
    batch_img_metas: Any,
    cfg: Any = None,
    rescale: bool = False,
    with_nms: bool = True,
) -> List[Any]:
    """What ``get_bboxes`` is in 2.x, which takes the best scores of an image whatever the class before it suppresses.

    Args:
        pred_maps: per level (N, anchors * (5 + classes), H, W).
    """
    from mmengine.structures import InstanceData

    cfg = self.test_cfg if cfg is None else cfg
    boxes, objectness, logits = _decode(self, pred_maps)
    scores, bound = logits.sigmoid(), cfg.get("conf_thr", -1)
    if bound > 0:
        scores = torch.where((objectness >= bound)[..., None], scores, scores.new_full((1,), ABSENT))
    context.levels = []
    best = compat.upstream("mmdet.core.utils.misc.filter_scores_and_topk")
    rows = dict(bboxes=boxes.reshape(-1, 4), score_factors=objectness.reshape(-1))
    scores, labels, _, rows = best(
        scores.reshape(-1, self.num_classes), cfg.get("score_thr", 0), cfg.get("nms_pre", -1), rows
    )
    found = InstanceData(scores=scores, labels=labels, **rows)
    return [self._bbox_post_process(results=found, cfg=cfg, with_nms=with_nms, img_meta=batch_img_metas[0])]
