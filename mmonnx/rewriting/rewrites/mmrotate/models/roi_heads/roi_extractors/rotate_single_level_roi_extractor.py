"""Stand-in for ``mmrotate/models/roi_heads/roi_extractors/rotate_single_level_roi_extractor.py``."""

from typing import Any, Optional, Sequence

import torch

from .....context import ExportContext
from .....registry import rewrite
from .....roi_pooling import pool

_EXTRACTOR = "mmrotate.models.roi_heads.roi_extractors.rotate_single_level_roi_extractor.RotatedSingleRoIExtractor"


@rewrite(f"{_EXTRACTOR}.forward")
def forward(
    context: ExportContext,
    original: Any,
    self: Any,
    feats: Sequence[torch.Tensor],
    rois: torch.Tensor,
    roi_scale_factor: Optional[float] = None,
) -> torch.Tensor:
    """Pool each rotated RoI once, on the level that its size asks for.

    Args:
        feats: per level (N, C, H, W).
        rois: (K, 6) ``(image, cx, cy, width, height, angle)``; K may be 0, and so may the RoIs of any level.
        roi_scale_factor: grows the RoIs about their centers, after the level is chosen.

    Returns:
        (K, C, h, w), in the order of ``rois``.
    """
    if len(feats) == 1:  # as upstream, which does not rescale here
        return self.roi_layers[0](feats[0], rois)
    target = self.map_roi_levels(rois, len(feats))
    if roi_scale_factor is not None:
        rois = self.roi_rescale(rois, roi_scale_factor)
    return pool(context, self.roi_layers, feats, rois, target)
