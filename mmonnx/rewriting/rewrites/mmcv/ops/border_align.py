"""Stand-in for ``mmcv/ops/border_align.py``."""

from typing import Any

import torch

from ....symbolics import border_align as symbolic
from ...context import ExportContext
from ...registry import rewrite


@rewrite("mmcv.ops.border_align.border_align")
def border_align(
    context: ExportContext, original: Any, input: torch.Tensor, boxes: torch.Tensor, pool_size: int
) -> torch.Tensor:
    """Pool (N, 4 * C, H, W) features along the sides of (N, S, 4) boxes into (N, C, S, 4)."""
    return symbolic.border_align(input, boxes, pool_size)
