"""Stand-ins for ``mmdet/models/dense_heads/yolact_head.py``."""

from typing import Any, List, Tuple

import torch
from torch.nn import functional

from ....batched import ABSENT, clip_k, divide, longest
from ....context import Detections, ExportContext
from ....instances import as_instances
from ....queries import rows_of_queries
from ....registry import rewrite
from ....rows import merge_first

_HEADS = "mmdet.models.dense_heads.yolact_head."


@rewrite(_HEADS + "YOLACTHead.get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    coeff_preds: List[torch.Tensor],
    img_metas: Any,
    cfg: Any = None,
    rescale: bool = False,
) -> Tuple[List[torch.Tensor], List[torch.Tensor], List[torch.Tensor]]:
    """The detections of the batch.

    Args:
        cls_scores: per level (N, A * classes, H, W), bbox_preds: (N, A * 4, H, W), coeff_preds: (N, A * P, H, W).

    Returns:
        Lists of one element: (N * D, 5) detections, (N * D,) labels and (N, D, P) coefficients of the prototypes;
        ``context.detections`` has them by image.
    """
    cfg = self.test_cfg if cfg is None else cfg
    priors = self.prior_generator.grid_priors([level.shape[-2:] for level in cls_scores], device=cls_scores[0].device)
    levels = [
        _best(context, self, *level, cfg.get("nms_pre", -1))
        for level in zip(cls_scores, bbox_preds, coeff_preds, priors)
    ]
    scores, deltas, coeffs, anchors = (torch.cat(parts, 1) for parts in zip(*levels))
    shape = img_metas[0]["img_shape"]
    boxes = self.bbox_coder.decode(merge_first(anchors), merge_first(deltas), max_shape=shape).view_as(deltas)
    found, coeffs = _fast_nms(context, boxes, scores, coeffs, cfg)
    context.detections = found
    return [found.flat_dets], [found.flat_labels], [coeffs]


def _best(
    context: ExportContext,
    head: Any,
    logits: torch.Tensor,
    deltas: torch.Tensor,
    coeffs: torch.Tensor,
    priors: torch.Tensor,
    limit: int,
) -> Tuple[torch.Tensor, ...]:
    """Scores (N, k, classes), deltas, coefficients and anchors of the best positions of a level."""
    logits, deltas, coeffs = (
        level.permute(0, 2, 3, 1).reshape(level.shape[0], -1, channels)
        for level, channels in ((logits, head.cls_out_channels), (deltas, 4), (coeffs, head.num_protos))
    )
    scores = logits.sigmoid() if head.use_sigmoid_cls else logits.softmax(-1)[..., :-1]
    anchors = priors.expand(scores.shape[0], -1, -1)
    if limit <= 0:
        return scores, deltas, coeffs, anchors
    index = scores.max(2)[0].topk(clip_k(limit, scores.shape[1]), dim=1)[1]
    return (*(rows_of_queries(context, rows, index) for rows in (scores, deltas, coeffs)), priors[index])


def _fast_nms(
    context: ExportContext, boxes: torch.Tensor, scores: torch.Tensor, coeffs: torch.Tensor, cfg: Any
) -> Tuple[Detections, torch.Tensor]:
    """What ``fast_nms`` does, for boxes (N, K, 4), scores (N, K, classes) and coefficients (N, K, P)."""
    values, index = scores.transpose(1, 2).topk(clip_k(cfg.top_k, scores.shape[1]), dim=2)  # (N, classes, k)
    width, absent = values.shape[2], scores.new_full((1,), ABSENT)
    candidates = rows_of_queries(context, boxes, index.flatten(1)).reshape(-1, width, 4)
    alone = _greatest_overlap(candidates).view_as(values) <= cfg.iou_thr
    values = torch.where(alone & (values > cfg.score_thr), values, absent).flatten(1)
    limit = clip_k(cfg.max_per_img, values.shape[1]) if cfg.max_per_img > 0 else values.shape[1]
    values, place = values.topk(limit, dim=1)
    most = longest(context, (values > ABSENT / 2).long().sum(1), never_empty=True)
    values, place = values[:, :most], place[:, :most]
    present = values > ABSENT / 2
    row = rows_of_queries(context, index.flatten(1), place)
    dets = torch.cat([rows_of_queries(context, boxes, row), values[..., None]], 2)
    dets = torch.where(present[..., None], dets, dets.new_zeros(1))
    labels = torch.where(present, divide(place, width), place.new_full((1,), -1))
    found = Detections(dets, labels, present, merge_first(dets), merge_first(labels))
    return found, rows_of_queries(context, coeffs, row)


def _greatest_overlap(boxes: torch.Tensor) -> torch.Tensor:
    """The greatest IoU of each of (B, k, 4) boxes with those before it: (B, k)."""
    low, high = boxes[..., :2], boxes[..., 2:]
    area = (high - low).prod(2)
    begin, end = torch.max(low[:, :, None], low[:, None]), torch.min(high[:, :, None], high[:, None])
    shared = (end - begin).clamp(min=0).prod(3)
    union = (area[:, :, None] + area[:, None] - shared).clamp(min=1e-6)
    rank = torch.arange(boxes.shape[1], device=boxes.device)
    overlap = torch.where(rank[:, None] < rank, shared / union, shared.new_zeros(1))
    return overlap.max(1)[0]


@rewrite(_HEADS + "YOLACTProtonet.simple_test")
def simple_test(
    context: ExportContext,
    original: Any,
    self: Any,
    feats: Any,
    det_bboxes: List[torch.Tensor],
    det_labels: List[torch.Tensor],
    det_coeffs: List[torch.Tensor],
    img_metas: Any,
    rescale: bool = False,
) -> List[Any]:
    """The masks of the batch, left in ``context``: sums of prototypes, cut by the boxes, at the size of the input.

    Args:
        det_coeffs: one (N, D, P) tensor; the boxes are those of ``context.detections``.
    """
    _keep_masks(context, _masks(self.protonet(feats[0]), det_coeffs[0]), img_metas[0]["img_shape"], 0.5)
    return [[]]


def _masks(prototypes: torch.Tensor, coeffs: torch.Tensor) -> torch.Tensor:
    """Sums (N, D, h, w) of prototypes (N, P, h, w) by coefficients (N, D, P), as probabilities."""
    masks = coeffs.matmul(prototypes.flatten(2)).sigmoid()
    return masks.reshape(masks.shape[0], masks.shape[1], prototypes.shape[2], prototypes.shape[3])


def _keep_masks(context: ExportContext, masks: torch.Tensor, shape: Any, threshold: float) -> None:
    """Cut masks (N, D, h, w) by the boxes of ``context.detections``, and leave them in ``context`` at the input's size.

    Args:
        shape: (height, width, ...) of the picture.
    """
    found, (height, width), (rows, columns) = context.found, shape[:2], masks.shape[2:]
    across = _inside(found.dets[..., 0], found.dets[..., 2], width, columns)[:, :, None]
    down = _inside(found.dets[..., 1], found.dets[..., 3], height, rows)[..., None]
    masks = masks * (across * down) * found.valid.to(masks.dtype)[..., None, None]
    masks = functional.interpolate(masks, size=(height, width), mode="bilinear", align_corners=False)
    if context.told_size:  # upstream squeezes all of the prototypes into the picture's part
        masks = functional.pad(masks, (0, context.input.shape[3] - width, 0, context.input.shape[2] - height))
    context.masks = masks > threshold


def _inside(low: torch.Tensor, high: torch.Tensor, size: Any, cells: Any) -> torch.Tensor:
    """(N, D, cells): 1 between sides (N, D) in pixels of an axis of ``size``, and for a cell around, else 0."""
    place = torch.arange(cells, device=low.device).to(low.dtype)
    low, high = low[..., None] / size * cells, high[..., None] / size * cells
    near = (place >= low - 1) & (place < high + 1)
    return near.to(low.dtype)


@rewrite(_HEADS + "YOLACTHead.predict_by_feat")
def predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    coeff_preds: List[torch.Tensor],
    batch_img_metas: Any,
    cfg: Any = None,
    rescale: bool = True,
    **kwargs: Any,
) -> List[Any]:
    """What ``get_bboxes`` is in 2.x: one element with the instances of the whole batch, and their coefficients."""
    maps = cls_scores, bbox_preds, coeff_preds
    (dets,), (labels,), (coeffs,) = get_bboxes(context, original, self, *maps, batch_img_metas, cfg)
    (found,) = as_instances(context, dets, labels)
    found.coeffs = merge_first(coeffs)
    return [found]


@rewrite(_HEADS + "YOLACTProtonet.forward")
def forward(context: ExportContext, original: Any, self: Any, x: Any, positive_infos: Any, *args: Any) -> Any:
    """The masks (N, D, h, w) before they are cut, and nothing of the branch that is for training, as 2.x calls it.

    Args:
        x: per level (N, C, H, W).
        positive_infos: one element with the instances of all images.
    """
    if isinstance(x, torch.Tensor):  # of one level, in 1.x
        return original(self, x, positive_infos, *args)
    (found,) = positive_infos
    prototypes = self.protonet(x[0])
    coeffs = found.coeffs.reshape(prototypes.shape[0], -1, self.num_protos)
    return [_masks(prototypes, coeffs)], None


@rewrite(_HEADS + "YOLACTProtonet.predict_by_feat")
def mask_predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    mask_preds: List[torch.Tensor],
    segm_preds: None,
    results_list: List[Any],
    batch_img_metas: Any,
    rescale: bool = True,
    **kwargs: Any,
) -> List[Any]:
    """The instances as they are; their masks, at the size of the input, are in ``context``."""
    _keep_masks(context, mask_preds[0], batch_img_metas[0]["img_shape"], self.test_cfg.mask_thr)
    return results_list
