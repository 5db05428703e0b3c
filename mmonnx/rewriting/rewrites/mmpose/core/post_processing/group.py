"""Stand-ins for the grouping of key points, which is no matter of tensors."""

from typing import Any, List, Tuple

import torch

from ....context import ExportContext
from ....registry import rewrite

POSE_MAPS = "pose maps"
"""Under what the context keeps the maps that would be grouped, (N, K, H, W) heats and (N, K or 1, H, W, L) tags."""


@rewrite("mmpose.core.post_processing.group.HeatmapParser.parse")
def parse(
    context: ExportContext, original: Any, self: Any, heatmaps: torch.Tensor, tags: torch.Tensor, *settings: Any
) -> Tuple[List[Any], List[Any]]:
    """Nobody, and no scores: the maps are the outputs."""
    context.extras[POSE_MAPS] = heatmaps, tags
    return [], []
