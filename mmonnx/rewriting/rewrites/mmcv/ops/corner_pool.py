"""Stand-in for ``mmcv/ops/corner_pool.py``."""

from typing import Any

import torch

from ....symbolics import corner_pool
from ...context import ExportContext
from ...registry import rewrite


@rewrite("mmcv.ops.corner_pool.CornerPool.forward")
def forward(context: ExportContext, original: Any, self: Any, x: torch.Tensor) -> torch.Tensor:
    """Pool (N, C, H, W) towards a border, as mmcv's operator; upstream calls ``cummax``, which ONNX does not have."""
    return corner_pool(x, self.mode)
