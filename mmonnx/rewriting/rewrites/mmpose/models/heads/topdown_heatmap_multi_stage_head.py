"""Stand-ins for the heads of several stages of heat maps."""

from typing import Any

import torch

from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmpose.models.heads.topdown_heatmap_multi_stage_head.TopdownHeatmapMultiStageHead.inference_model")
def inference_model(context: ExportContext, original: Any, self: Any, x: Any, flip_pairs: Any = None) -> torch.Tensor:
    """Heat maps (N, K, H, W) of the last stage; upstream has them in numpy, and those of flipped pictures as well."""
    return self.forward(x)[-1]


@rewrite("mmpose.models.heads.topdown_heatmap_multi_stage_head.TopdownHeatmapMSMUHead.inference_model")
def inference_model_of_units(
    context: ExportContext, original: Any, self: Any, x: Any, flip_pairs: Any = None
) -> torch.Tensor:
    """Heat maps (N, K, H, W) of the last stage; upstream has them in numpy, and those of flipped pictures as well."""
    return self.forward(x)[-1]
