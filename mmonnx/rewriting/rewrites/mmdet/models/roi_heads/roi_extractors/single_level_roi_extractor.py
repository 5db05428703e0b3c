"""Stand-in for ``mmdet/models/roi_heads/roi_extractors/single_level_roi_extractor.py``."""

from typing import Any, Optional, Sequence

import torch

from .....context import ExportContext
from .....registry import rewrite
from .....roi_pooling import pool


@rewrite("mmdet.models.roi_heads.roi_extractors.single_level_roi_extractor.SingleRoIExtractor.forward")
def forward(
    context: ExportContext,
    original: Any,
    self: Any,
    feats: Sequence[torch.Tensor],
    rois: torch.Tensor,
    roi_scale_factor: Optional[float] = None,
) -> torch.Tensor:
    """Pool each RoI once, on the level that its size asks for (the NonZero form of PPLNN's guide).

    The guide writes the rows of each level back with ScatterND, which copies the whole result once per level; here
    the levels are concatenated and one Gather puts the rows back.

    Args:
        feats: per level (N, C, H, W).
        rois: (K, 5) ``(image, x1, y1, x2, y2)``; K may be 0, and so may the RoIs of any level.
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
