"""Stand-in for ``mmcv/ops/roi_pool.py``."""

from typing import Any, Tuple, Union

import torch
from torch.nn.modules.utils import _pair

from ....symbolics import roi_pool as symbolic
from ...context import ExportContext
from ...registry import rewrite


@rewrite("mmcv.ops.roi_pool.roi_pool")
def roi_pool(
    context: ExportContext,
    original: Any,
    input: torch.Tensor,
    rois: torch.Tensor,
    output_size: Union[int, Tuple[int, int]],
    spatial_scale: float = 1.0,
) -> torch.Tensor:
    """Pool (N, C, H, W) features at (K, 5) RoIs into (K, C, h, w)."""
    return symbolic.roi_pool(input, rois, _pair(output_size), spatial_scale)
