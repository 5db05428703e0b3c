"""Stand-ins for ``mmdet/models/roi_heads/sparse_roi_head.py``."""

from typing import Any, Dict, List

import torch

from ....batched import image_numbers
from ....context import Detections, ExportContext
from ....instances import as_instances
from ....mask_pasting import keep_masks
from ....queries import best_of_all, full_detections, rows_of_queries
from ....registry import rewrite
from ....rows import merge_first

_HEAD = "mmdet.models.roi_heads.sparse_roi_head.SparseRoIHead."


@rewrite(_HEAD + "_bbox_forward")
def bbox_forward(
    context: ExportContext,
    original: Any,
    self: Any,
    stage: int,
    x: Any,
    rois: torch.Tensor,
    object_feats: torch.Tensor,
    img_metas: Any,
) -> Dict[str, Any]:
    """One stage; upstream sorts the refined boxes by image in Python.

    Args:
        rois: (N * P, 5).
        object_feats: (N, P, C).

    Returns:
        ``cls_score`` (N, P, classes), ``object_feats``, ``attn_feats``, and as ``detach_proposal_list`` one
        (N * P, 4) tensor.
    """
    extractor, head = self.bbox_roi_extractor[stage], self.bbox_head[stage]
    pooled = extractor(x[: extractor.num_inputs], rois)
    scores, deltas, object_feats, attn_feats = head(pooled, object_feats)
    boxes = head.regress_by_class(rois[:, 1:], None, deltas.reshape(-1, int(deltas.shape[-1])), img_metas[0])
    return dict(cls_score=scores, object_feats=object_feats, attn_feats=attn_feats, detach_proposal_list=[boxes])


@rewrite(_HEAD + "simple_test")
def simple_test(
    context: ExportContext,
    original: Any,
    self: Any,
    x: Any,
    proposal_boxes: torch.Tensor,
    proposal_features: torch.Tensor,
    img_metas: Any,
    imgs_whwh: torch.Tensor,
    rescale: bool = False,
) -> List[Any]:
    """The detections of the batch.

    Args:
        proposal_boxes: (N, P, 4), proposal_features: (N, P, C).

    Returns:
        [((N * k, 5) detections, (N * k,) labels)]; ``context.detections`` has them by image.
    """
    kept = _detections(context, self, x, merge_first(proposal_boxes), proposal_features, img_metas, "mask_pred")
    found = kept.flat_dets, kept.flat_labels
    return [(found, [])] if self.with_mask else [found]


@rewrite(_HEAD + "predict_bbox")
def predict_bbox(
    context: ExportContext,
    original: Any,
    self: Any,
    x: Any,
    batch_img_metas: Any,
    rpn_results_list: List[Any],
    rcnn_test_cfg: Any,
    rescale: bool = False,
) -> List[Any]:
    """What ``simple_test`` is in 2.x, masks and all.

    Args:
        rpn_results_list: one element with ``bboxes`` (N * P, 4) and ``features`` (N * P, C).
    """
    (proposals,) = rpn_results_list
    boxes, features = proposals.bboxes, proposals.features
    features = features.reshape(image_numbers(context).shape[0], -1, int(features.shape[1]))
    kept = _detections(context, self, x, boxes, features, batch_img_metas, "mask_preds")
    return as_instances(context, kept.flat_dets, kept.flat_labels)


@rewrite(_HEAD + "predict_mask")
def predict_mask(
    context: ExportContext,
    original: Any,
    self: Any,
    x: Any,
    batch_img_metas: Any,
    results_list: Any,
    *args: Any,
    **kw: Any,
) -> List[Any]:
    """The instances as they are: ``predict_bbox`` has put their masks into ``context``."""
    return results_list


def _detections(
    context: ExportContext,
    self: Any,
    x: Any,
    boxes: torch.Tensor,
    features: torch.Tensor,
    img_metas: Any,
    key: str,
) -> Detections:
    """The detections of the batch, which ``context`` has by image, and their masks.

    Args:
        boxes: (N * P, 4), features: (N, P, C), the proposals.
        key: what ``_mask_forward`` calls its masks.
    """
    from mmdet.models.roi_heads.sparse_roi_head import bbox2roi

    proposals = int(features.shape[1])
    image = image_numbers(context)[:, None] + torch.zeros(proposals, dtype=torch.long, device=boxes.device)
    context.image_index = image.reshape(-1)
    for stage in range(self.num_stages):
        found = self._bbox_forward(stage, x, bbox2roi([boxes]), features, img_metas)
        (boxes,), features = found["detach_proposal_list"], found["object_feats"]
    masks = self._mask_forward(stage, x, bbox2roi([boxes]), found["attn_feats"])[key] if self.with_mask else None
    scores = found["cls_score"]
    scores = scores.sigmoid() if self.bbox_head[-1].loss_cls.use_sigmoid else scores.softmax(-1)[..., :-1]
    values, query, labels = best_of_all(context, scores, self.test_cfg.max_per_img)
    chosen = rows_of_queries(context, boxes.reshape(-1, proposals, 4), query)
    kept = full_detections(context, torch.cat([chosen, values[..., None]], -1), labels)
    if masks is not None:
        row = (query + image_numbers(context)[:, None] * proposals).reshape(-1)
        masks = merge_first(masks)[row * int(masks.shape[1]) + kept.flat_labels].sigmoid()
        keep_masks(context, masks, kept.flat_dets[:, :4], self.test_cfg.mask_thr_binary)
    return kept
