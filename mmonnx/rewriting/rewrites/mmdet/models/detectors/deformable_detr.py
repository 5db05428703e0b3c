"""Stand-in for ``mmdet/models/detectors/deformable_detr.py`` of 2.x: of it, and of those that inherit from it."""

from typing import Any, Dict, List, Sequence, Tuple

import torch

from ....context import ExportContext
from ....padding import padded_cells
from ....registry import rewrite
from .detr import cells_as_rows


@rewrite("mmdet.models.detectors.deformable_detr.DeformableDETR.pre_transformer")
def pre_transformer(
    context: ExportContext, original: Any, self: Any, mlvl_feats: Sequence[torch.Tensor], batch_data_samples: Any = None
) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """What encoder and decoder take, without the loop over images that makes the masks of the padding.

    Args:
        mlvl_feats: per level (N, C, H, W).

    Returns:
        The encoder's arguments and the decoder's. Both have which rows of all levels are padding (N, S) bool, or None
        where the picture fills the input; the levels' sizes (L, 2) and first rows (L,), int64; and how much of each
        level is the picture's (N, L, 2).
    """
    masks = [padded_cells(context, level) for level in mlvl_feats]
    shapes = torch.stack([torch._shape_as_tensor(level)[2:] for level in mlvl_feats]).to(mlvl_feats[0].device)
    shared = dict(
        spatial_shapes=shapes, level_start_index=_starts(shapes), valid_ratios=_ratios(context, self, mlvl_feats, masks)
    )
    padded = torch.cat([mask.flatten(1) for mask in masks], 1) if context.told_size else None
    places = [
        cells_as_rows(self.positional_encoding(mask)) + self.level_embed[number].view(1, 1, -1)
        for number, mask in enumerate(masks)
    ]
    rows = torch.cat([cells_as_rows(level) for level in mlvl_feats], 1)
    encoder = dict(feat=rows, feat_mask=padded, feat_pos=torch.cat(places, 1), **shared)
    return encoder, dict(memory_mask=padded, **shared)


def _starts(shapes: torch.Tensor) -> torch.Tensor:
    """The first row of each level, of their (height, width) (L, 2)."""
    sizes = shapes[:, 0] * shapes[:, 1]
    return sizes.cumsum(0) - sizes


def _ratios(
    context: ExportContext, model: Any, levels: Sequence[torch.Tensor], masks: List[torch.Tensor]
) -> torch.Tensor:
    if context.told_size:
        return torch.stack([model.get_valid_ratio(mask) for mask in masks], 1)
    return levels[0].new_ones(1, 1, 1).expand(levels[0].shape[0], len(levels), 2)
