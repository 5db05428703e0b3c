"""Stand-in for ``mmdet/models/dense_heads/atss_vlfusion_head.py`` of 2.x."""

from dataclasses import replace
from typing import Any, List

import torch

from ....context import ExportContext
from ....instances import as_instances
from ....prompts import scores_of_labels
from ....registry import rewrite
from .base_dense_head import fold, priors_of_batch


@rewrite("mmdet.models.dense_heads.atss_vlfusion_head.ATSSVLFusionHead.predict_by_feat")
def predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_logits: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    score_factors: List[torch.Tensor],
    batch_img_metas: Any = None,
    batch_token_positive_maps: Any = None,
    cfg: Any = None,
    rescale: bool = False,
    with_nms: bool = True,
) -> List[Any]:
    """The instances of the batch, whose right and lower sides are one pixel further, as upstream has them.

    Args:
        cls_logits: per level (N, S, T), bbox_preds: (N, priors * 4, H, W), score_factors: (N, priors, H, W).
        batch_token_positive_maps: one, with the tokens of each label.
    """
    cfg, (tokens,), (meta,) = self.test_cfg if cfg is None else cfg, batch_token_positive_maps, batch_img_metas
    best = _of_module("filter_scores_and_topk")
    context.levels, found = [], []
    levels = zip(cls_logits, fold(bbox_preds), fold(score_factors), priors_of_batch(context, self, bbox_preds))
    for logits, moves, factors, priors in levels:
        rows = dict(
            moves=moves.permute(1, 2, 0).reshape(-1, self.bbox_coder.encode_size),
            priors=priors,
            factors=factors.permute(1, 2, 0).reshape(-1).sigmoid(),
        )
        scores = scores_of_labels(logits.flatten(0, 1).sigmoid(), tokens)
        values, labels, _, chosen = best(scores, cfg.get("score_thr", 0), cfg.get("nms_pre", -1), rows)
        found.append((chosen["priors"], chosen["moves"], (values * chosen["factors"]).sqrt(), labels))
    results = _of_module("InstanceData")()
    anchors, moves, results.scores, results.labels = (torch.cat(parts) for parts in zip(*found))
    results.bboxes = self.bbox_coder.decode(anchors, moves, max_shape=meta["img_shape"])
    self._bbox_post_process(results=results, cfg=cfg, rescale=False, with_nms=with_nms, img_meta=meta)
    dets = context.found
    further = dets.dets.new_tensor([0.0, 0.0, 1.0, 1.0, 0.0])
    padded = torch.where(dets.valid[..., None], dets.dets + further, dets.dets)
    context.detections = replace(dets, dets=padded, flat_dets=dets.flat_dets + further)
    return as_instances(context, context.found.flat_dets, dets.flat_labels)


def _of_module(name: str) -> Any:
    """What upstream's file has under a name: its stand-in, where there is one."""
    from mmdet.models.dense_heads import atss_vlfusion_head

    return getattr(atss_vlfusion_head, name)
