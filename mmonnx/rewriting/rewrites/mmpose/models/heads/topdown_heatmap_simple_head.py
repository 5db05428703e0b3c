"""Stand-ins for mmpose's plain head of heat maps."""

from typing import Any

import torch

from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmpose.models.heads.topdown_heatmap_simple_head.TopdownHeatmapSimpleHead.inference_model")
def inference_model(context: ExportContext, original: Any, self: Any, x: Any, flip_pairs: Any = None) -> torch.Tensor:
    """Heat maps (N, K, H, W) of features; upstream has them in numpy, and those of flipped pictures as well."""
    return self.forward(x)
