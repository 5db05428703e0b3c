"""Stand-in for ``mmdet/models/roi_heads/roi_extractors/generic_roi_extractor.py``."""

from typing import Any, Optional, Sequence

import torch

from .....context import ExportContext
from .....registry import rewrite


@rewrite("mmdet.models.roi_heads.roi_extractors.generic_roi_extractor.GenericRoIExtractor.forward")
def forward(
    context: ExportContext,
    original: Any,
    self: Any,
    feats: Sequence[torch.Tensor],
    rois: torch.Tensor,
    roi_scale_factor: Optional[float] = None,
) -> torch.Tensor:
    """Pool every RoI on every level, and sum or concatenate: upstream writes the parts into zeros, in place.

    Args:
        feats: per level (N, C, H, W).
        rois: (K, 5) ``(image, x1, y1, x2, y2)``; K may be 0.
        roi_scale_factor: grows the RoIs about their centers.

    Returns:
        (K, C, h, w), or (K, levels * C, h, w) where levels are concatenated.
    """
    if len(feats) == 1:  # as upstream, which does nothing else here
        return self.roi_layers[0](feats[0], rois)
    if roi_scale_factor is not None:
        rois = self.roi_rescale(rois, roi_scale_factor)
    parts = [layer(feature, rois) for layer, feature in zip(self.roi_layers, feats)]
    if self.with_pre:
        parts = [self.pre_module(part) for part in parts]
    pooled = sum(parts[1:], parts[0]) if self.aggregation == "sum" else torch.cat(parts, 1)
    return self.post_module(pooled) if self.with_post else pooled
