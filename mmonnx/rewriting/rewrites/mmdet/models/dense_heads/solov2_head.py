"""Stand-ins for ``mmdet/models/dense_heads/solov2_head.py``."""

from typing import Any, List

import torch
from torch.nn import functional

from ....batched import image_numbers, longest
from ....context import Detections, ExportContext
from ....grid_masks import find_candidates, flat_masks, keep_instances
from ....instances import as_instances
from ....registry import rewrite
from ....rows import merge_first
from .solo_head import least_areas


@rewrite("mmdet.models.dense_heads.solov2_head.SOLOV2Head.get_results")
def get_results(
    context: ExportContext,
    original: Any,
    self: Any,
    mlvl_kernel_preds: List[torch.Tensor],
    mlvl_cls_scores: List[torch.Tensor],
    mask_feats: torch.Tensor,
    img_metas: Any,
    **kwargs: Any,
) -> List[None]:
    """The instances of the batch, left in ``context``; upstream goes from image to image.

    Args:
        mlvl_kernel_preds: per level (N, channels * k * k, g, g), the kernels that make the masks.
        mlvl_cls_scores: per level (N, classes, g, g) logits.
        mask_feats: (N, channels, h, w).
    """
    kernels = torch.cat([level.flatten(2) for level in mlvl_kernel_preds], 2).transpose(1, 2)  # (N, cells, D)
    cells = kernels.shape[1]

    def make_masks(image: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
        return _masks(context, merge_first(kernels)[image * cells + cell], image, mask_feats, self.dynamic_conv_size)

    scores = [_peaks(level.sigmoid()).permute(0, 2, 3, 1) for level in mlvl_cls_scores]
    found = find_candidates(context, scores, self.test_cfg.score_thr, make_masks)
    keep_instances(context, found, least_areas(self, mask_feats), self.test_cfg, self.mask_stride)
    return [None]


def _peaks(scores: torch.Tensor) -> torch.Tensor:
    """The scores that no neighbour exceeds, 0 for the others."""
    highest = functional.max_pool2d(scores, 2, stride=1, padding=1)[:, :, :-1, :-1]
    return scores * (highest == scores).to(scores.dtype)


def _masks(
    context: ExportContext, kernels: torch.Tensor, image: torch.Tensor, feats: torch.Tensor, size: int
) -> torch.Tensor:
    """Convolve each image's features with its own kernels (K, D): masks (K, h, w).

    The kernels of each image are the rows of one matrix, filled up to the greatest number of them in an image.
    """
    images = image_numbers(context)
    count = (image == images[:, None]).long().sum(1)
    valid = torch.arange(longest(context, count, never_empty=True), device=count.device) < count[:, None]
    table = Detections(kernels, image, valid, kernels, image).unflatten(kernels)  # (N, M, D)
    height, width = feats.shape[2] - (size - 1), feats.shape[3] - (size - 1)
    rows = feats.flatten(2) if size == 1 else functional.unfold(feats, size)
    found = table.matmul(rows).sigmoid()
    start = count.cumsum(0) - count
    place = torch.arange(image.shape[0], device=image.device) - start[image] + image * found.shape[1]
    return flat_masks(found.reshape(found.shape[0], found.shape[1], height, width))[place]


@rewrite("mmdet.models.dense_heads.solov2_head.SOLOV2Head.predict_by_feat")
def predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    mlvl_kernel_preds: List[torch.Tensor],
    mlvl_cls_scores: List[torch.Tensor],
    mask_feats: torch.Tensor,
    batch_img_metas: Any,
    **kwargs: Any,
) -> List[Any]:
    """What ``get_results`` is in 2.x."""
    get_results(context, original, self, mlvl_kernel_preds, mlvl_cls_scores, mask_feats, batch_img_metas)
    return as_instances(context, context.found.flat_dets, context.found.flat_labels)
