"""Stand-in for ``mmdet/core/post_processing/merge_augs.py``."""

from typing import Any, List

import torch

from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmdet.core.post_processing.merge_augs.merge_aug_masks")
def merge_aug_masks(
    context: ExportContext, original: Any, aug_masks: List[torch.Tensor], *args: Any, **kwargs: Any
) -> torch.Tensor:
    """The mean of the stages' masks, (K, classes, h, w) probabilities each; cascades merge their stages by it."""
    merged = sum(aug_masks[1:], aug_masks[0]) / len(aug_masks)
    context.extras["merged_masks"] = merged
    return merged
