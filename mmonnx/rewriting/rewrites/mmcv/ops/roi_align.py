"""Stand-in for ``mmcv/ops/roi_align.py``."""

from typing import Any

import torch

from ...context import ExportContext
from ...registry import rewrite
from ...roi_pooling import pool


@rewrite("mmcv.ops.roi_align.RoIAlign.forward")
def forward(context: ExportContext, original: Any, self: Any, input: torch.Tensor, rois: torch.Tensor) -> torch.Tensor:
    """Pool (N, C, H, W) features at (K, 5) RoIs into (K, C, h, w) by ONNX's RoiAlign, for any number of RoIs."""
    return pool(context, [self], [input], rois, None)
