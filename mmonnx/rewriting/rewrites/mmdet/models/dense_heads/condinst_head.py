"""Stand-ins for ``mmdet/models/dense_heads/condinst_head.py``."""

from typing import Any, List, Optional, Tuple

import torch

from ....context import ExportContext
from ....dynamic_masks import Kernels, dynamic_masks, enlarge_aligned
from ....padding import within_image
from ....registry import rewrite
from .base_dense_head import fold, priors_of_batch

_HEADS = "mmdet.models.dense_heads.condinst_head."


@rewrite(_HEADS + "CondInstBboxHead.predict_by_feat")
def predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    cls_scores: List[torch.Tensor],
    bbox_preds: List[torch.Tensor],
    score_factors: Optional[List[torch.Tensor]] = None,
    param_preds: Optional[List[torch.Tensor]] = None,
    batch_img_metas: Any = None,
    cfg: Any = None,
    rescale: bool = False,
    with_nms: bool = True,
) -> List[Any]:
    """One element with the instances of the whole batch, by the head's own code.

    Args:
        cls_scores: per level (N, classes, H, W), and the others likewise.
    """
    assert param_preds is not None  # the head always gives them
    priors = priors_of_batch(context, self, cls_scores, with_stride=True)
    context.levels = []
    found = self._predict_by_feat_single(
        cls_score_list=fold(cls_scores),
        bbox_pred_list=fold(bbox_preds),
        score_factor_list=[None] * len(cls_scores) if score_factors is None else fold(score_factors),
        param_pred_list=fold(param_preds),
        mlvl_points=[rows[:, :2] for rows in priors],
        mlvl_strides=[rows[:, 2] for rows in priors],
        img_meta=batch_img_metas[0],
        cfg=cfg,
        rescale=False,
        with_nms=with_nms,
    )
    return [found]


@rewrite(_HEADS + "MaskFeatModule.forward")
def mask_features(context: ExportContext, original: Any, self: Any, x: Tuple[torch.Tensor, ...]) -> torch.Tensor:
    """The levels together, (N, C, h, w); how much larger the first of them is than another is always the same.

    Args:
        x: per level (N, C, H, W).
    """
    levels = [conv(level) for conv, level in zip(self.convs_all_levels, x[self.start_level : self.end_level + 1])]
    total = levels[0]
    for level in levels[1:]:
        total = total + enlarge_aligned(level, int(total.shape[2]) // int(level.shape[2]))
    return self.conv_pred(self.conv_branch(total))


@rewrite(_HEADS + "CondInstMaskHead.forward")
def forward(
    context: ExportContext, original: Any, self: Any, x: Tuple[torch.Tensor, ...], positive_infos: List[Any]
) -> Tuple[List[torch.Tensor]]:
    """The logits of the masks of ``context.detections``, (N, D, h, w).

    Args:
        positive_infos: one element with the instances of all images.
    """
    maps, (found,) = self.mask_feature_head(x), positive_infos
    places = self.prior_generator.single_level_grid_priors(maps.shape[2:], 0, device=maps.device)
    kernels = Kernels(found.param_preds, found.points, found.strides * self.size_of_interest)
    logits = dynamic_masks(context, maps, places, kernels, [int(number) for number in self.bias_nums])
    return ([enlarge_aligned(logits, int(self.mask_feat_stride / self.mask_out_stride))],)


@rewrite(_HEADS + "CondInstMaskHead.predict_by_feat")
def mask_predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    mask_preds: List[torch.Tensor],
    results_list: List[Any],
    batch_img_metas: Any,
    rescale: bool = True,
    **kwargs: Any,
) -> List[Any]:
    """The instances as they are; their masks, at the size of the input, are in ``context``.

    Args:
        mask_preds: one (N, D, h, w), logits.
    """
    height, width = context.input.shape[2:]
    masks = enlarge_aligned(mask_preds[0].sigmoid(), self.mask_out_stride)[:, :, :height, :width]
    context.masks = within_image(context, masks > self.test_cfg.mask_thr)
    return results_list
