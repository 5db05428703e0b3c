"""Stand-ins for ``mmdet/models/dense_heads/rtmdet_ins_head.py``."""

import math
from typing import Any, List, Optional

import torch

from ....context import ExportContext
from ....dynamic_masks import Kernels, dynamic_masks
from ....grid_masks import enlarge
from ....padding import within_image
from ....registry import rewrite
from .base_dense_head import fold, priors_of_batch, suppress_instances

_HEAD = "mmdet.models.dense_heads.rtmdet_ins_head.RTMDetInsHead."
_UNIT = 8
"""How many strides of its level are one to an instance that looks at a place."""


@rewrite(_HEAD + "predict_by_feat")
def predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    kernel_preds: List[torch.Tensor],
    mask_feat: torch.Tensor,
    score_factors: Optional[List[torch.Tensor]] = None,
    batch_img_metas: Any = None,
    cfg: Any = None,
    rescale: bool = False,
    with_nms: bool = True,
) -> List[Any]:
    """One element with the instances of the whole batch, by the head's own code; their masks are in ``context``.

    Args:
        cls_scores: per level (N, classes, H, W), bbox_preds: (N, 4, H, W), kernel_preds: (N, P, H, W).
        mask_feat: (N, C, h, w).
    """
    context.levels = []
    found = self._predict_by_feat_single(
        cls_score_list=fold(cls_scores),
        bbox_pred_list=fold(bbox_preds),
        kernel_pred_list=fold(kernel_preds),
        mask_feat=mask_feat,
        score_factor_list=[None] * len(cls_scores) if score_factors is None else fold(score_factors),
        mlvl_priors=priors_of_batch(context, self, cls_scores, with_stride=True),
        img_meta=batch_img_metas[0],
        cfg=cfg,
        rescale=False,
        with_nms=with_nms,
    )
    return [found]


@rewrite(_HEAD + "_bbox_mask_post_process")
def bbox_mask_post_process(
    context: ExportContext,
    original: Any,
    self: Any,
    results: Any,
    mask_feat: torch.Tensor,
    cfg: Any,
    rescale: bool = False,
    with_nms: bool = True,
    img_meta: Any = None,
) -> Any:
    """The instances that are left; their masks, at the size of the input, are in ``context``.

    Args:
        results: of all images, with ``priors`` (K, 4) and ``kernels`` (K, P) beside what ``_bbox_post_process`` takes.
        mask_feat: (N, C, h, w).
    """
    found = suppress_instances(context, self, results, cfg, False, with_nms, img_meta)
    places = self.prior_generator.single_level_grid_priors(mask_feat.shape[2:], level_idx=0, device=mask_feat.device)
    kernels = Kernels(found.kernels, found.priors[:, :2], found.priors[:, 2] * _UNIT)
    logits = dynamic_masks(context, mask_feat, places, kernels, [int(number) for number in self.bias_nums])
    logits = enlarge(logits, self.prior_generator.strides[0][0], context.input.shape[2:])
    context.masks = within_image(context, _is_likely(logits, cfg.mask_thr_binary))
    return found


def _is_likely(logits: torch.Tensor, threshold: float) -> torch.Tensor:
    """Whether the probabilities exceed a threshold, if possible without computing them for each pixel."""
    if not 0 < threshold < 1:
        return logits.sigmoid() > threshold
    return logits > math.log(threshold / (1 - threshold))
