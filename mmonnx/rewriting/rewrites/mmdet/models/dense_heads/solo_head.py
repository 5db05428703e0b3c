"""Stand-ins for ``mmdet/models/dense_heads/solo_head.py``."""

from typing import Any, List, Sequence

import torch

from ....context import ExportContext
from ....grid_masks import find_candidates, flat_masks, keep_instances
from ....instances import as_instances
from ....registry import rewrite

_HEADS = "mmdet.models.dense_heads.solo_head."
_SCALE = 4
"""Pixels of the image per pixel of a mask."""


@rewrite(_HEADS + "SOLOHead.get_results")
def get_results(
    context: ExportContext,
    original: Any,
    self: Any,
    mlvl_mask_preds: List[torch.Tensor],
    mlvl_cls_scores: List[torch.Tensor],
    img_metas: Any,
    **kwargs: Any,
) -> List[None]:
    """The instances of the batch, left in ``context``; upstream goes from image to image.

    Args:
        mlvl_mask_preds: per level (N, g * g, h, w) probabilities.
        mlvl_cls_scores: per level (N, classes, g, g).
    """
    masks = torch.cat(mlvl_mask_preds, 1)
    cells = masks.shape[1]

    def make_masks(image: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
        return flat_masks(masks)[image * cells + cell]

    return _results(context, self, mlvl_cls_scores, img_metas, make_masks)


@rewrite(_HEADS + "DecoupledSOLOHead.get_results")
def decoupled_get_results(
    context: ExportContext,
    original: Any,
    self: Any,
    mlvl_mask_preds_x: List[torch.Tensor],
    mlvl_mask_preds_y: List[torch.Tensor],
    mlvl_cls_scores: List[torch.Tensor],
    img_metas: Any,
    rescale: Any = None,
    **kwargs: Any,
) -> List[None]:
    """As :func:`get_results`, with a mask for each column (N, g, h, w) and each row of the grid."""
    across, down = torch.cat(mlvl_mask_preds_x, 1), torch.cat(mlvl_mask_preds_y, 1)
    # which of them each cell multiplies
    starts = [sum(self.num_grids[:level]) for level in range(len(self.num_grids))]
    pairs = [(start + x, start + y) for start, g in zip(starts, self.num_grids) for y in range(g) for x in range(g)]
    column, row = torch.tensor(pairs, device=across.device).unbind(1)
    lines = sum(self.num_grids)

    def make_masks(image: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
        start = image * lines
        return flat_masks(across)[start + column[cell]] * flat_masks(down)[start + row[cell]]

    return _results(context, self, mlvl_cls_scores, img_metas, make_masks)


def _results(
    context: ExportContext, head: Any, scores: Sequence[torch.Tensor], img_metas: Any, make_masks: Any
) -> List[None]:
    cfg = head.test_cfg
    found = find_candidates(context, [level.permute(0, 2, 3, 1) for level in scores], cfg.score_thr, make_masks)
    keep_instances(context, found, least_areas(head, scores[0]), cfg, _SCALE)
    return [None]


def least_areas(head: Any, like: torch.Tensor) -> torch.Tensor:
    """The area that the mask of each cell has to exceed: the stride of its level."""
    areas = [float(stride) for grid, stride in zip(head.num_grids, head.strides) for _ in range(grid**2)]
    return torch.tensor(areas, dtype=like.dtype, device=like.device)


@rewrite(_HEADS + "SOLOHead.predict_by_feat")
def predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    mlvl_mask_preds: List[torch.Tensor],
    mlvl_cls_scores: List[torch.Tensor],
    batch_img_metas: Any,
    **kwargs: Any,
) -> List[Any]:
    """What ``get_results`` is in 2.x."""
    get_results(context, original, self, mlvl_mask_preds, mlvl_cls_scores, batch_img_metas)
    return as_instances(context, context.found.flat_dets, context.found.flat_labels)


@rewrite(_HEADS + "DecoupledSOLOHead.predict_by_feat")
def decoupled_predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    mlvl_mask_preds_x: List[torch.Tensor],
    mlvl_mask_preds_y: List[torch.Tensor],
    mlvl_cls_scores: List[torch.Tensor],
    batch_img_metas: Any,
    **kwargs: Any,
) -> List[Any]:
    """What ``decoupled_get_results`` is in 2.x."""
    maps = mlvl_mask_preds_x, mlvl_mask_preds_y, mlvl_cls_scores
    decoupled_get_results(context, original, self, *maps, batch_img_metas)
    return as_instances(context, context.found.flat_dets, context.found.flat_labels)
