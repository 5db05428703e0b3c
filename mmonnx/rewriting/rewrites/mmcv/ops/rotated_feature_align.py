"""Stand-in for ``mmcv/ops/rotated_feature_align.py``."""

from typing import Any

import torch

from ....symbolics import rotated_feature_align as symbolic
from ...context import ExportContext
from ...registry import rewrite


@rewrite("mmcv.ops.rotated_feature_align.rotated_feature_align")
def rotated_feature_align(
    context: ExportContext,
    original: Any,
    features: torch.Tensor,
    best_rbboxes: torch.Tensor,
    spatial_scale: float = 1 / 8,
    points: int = 1,
) -> torch.Tensor:
    """Align (N, C, H, W) features with (N, H, W, 5) boxes."""
    return symbolic.rotated_feature_align(features, best_rbboxes, spatial_scale, points)
