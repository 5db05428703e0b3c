"""Stand-in for ``mmdet/core/post_processing/merge_augs.py``."""

from typing import Any, List

import torch

from ....context import ExportContext
from ....registry import rewrite

_ROI_HEADS = "mmdet.models.roi_heads."


@rewrite(
    "mmdet.core.post_processing.merge_augs.merge_aug_masks",
    imported_by=(
        "mmdet.core",
        "mmdet.core.post_processing",
        _ROI_HEADS + "cascade_roi_head",
        _ROI_HEADS + "htc_roi_head",
        _ROI_HEADS + "point_rend_roi_head",
        _ROI_HEADS + "scnet_roi_head",
        _ROI_HEADS + "test_mixins",
    ),
)
def merge_aug_masks(
    context: ExportContext, original: Any, aug_masks: List[torch.Tensor], *args: Any, **kwargs: Any
) -> torch.Tensor:
    """The mean of the stages' masks, (K, classes, h, w) probabilities each; cascades merge their stages by it."""
    merged = sum(aug_masks[1:], aug_masks[0]) / len(aug_masks)
    context.extras["merged_masks"] = merged
    return merged
