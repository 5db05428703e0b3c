"""Stand-in for ``mmdet/models/detectors/detr.py`` of 2.x: of DETR, and of those that inherit from it."""

from typing import Any, Dict, Sequence, Tuple

import torch

from ....context import ExportContext
from ....padding import padded_cells
from ....registry import rewrite


@rewrite("mmdet.models.detectors.detr.DETR.pre_transformer")
def pre_transformer(
    context: ExportContext, original: Any, self: Any, img_feats: Sequence[torch.Tensor], batch_data_samples: Any = None
) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """What encoder and decoder take, without the loop over images that makes the mask of the padding.

    Args:
        img_feats: of which the last is used, (N, C, H, W).

    Returns:
        The encoder's arguments and the decoder's: rows (N, H * W, C) of features and of places, and which of them are
        padding (N, H * W) bool, or None where the picture fills the input.
    """
    padded = padded_cells(context, img_feats[-1])
    places = cells_as_rows(self.positional_encoding(padded))
    mask = padded.flatten(1) if context.told_size else None
    encoder = dict(feat=cells_as_rows(img_feats[-1]), feat_mask=mask, feat_pos=places)
    return encoder, dict(memory_mask=mask, memory_pos=places)


def cells_as_rows(maps: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W) to (N, H * W, C)."""
    return maps.flatten(2).permute(0, 2, 1)
