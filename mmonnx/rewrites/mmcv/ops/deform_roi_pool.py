"""Stand-in for ``mmcv/ops/deform_roi_pool.py``."""

from typing import Any, Optional, Tuple, Union

import torch
from torch.nn.modules.utils import _pair

from ....symbolics import deform_roi_pool as symbolic
from ...context import ExportContext
from ...registry import rewrite


@rewrite("mmcv.ops.deform_roi_pool.deform_roi_pool", imported_by=("mmcv.ops",))
def deform_roi_pool(
    context: ExportContext,
    original: Any,
    input: torch.Tensor,
    rois: torch.Tensor,
    offset: Optional[torch.Tensor],
    output_size: Union[int, Tuple[int, int]],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    gamma: float = 0.1,
) -> torch.Tensor:
    """Pool (N, C, H, W) features at (K, 5) RoIs, bins moved by (K, 2, h, w) offsets or None, into (K, C, h, w)."""
    return symbolic.deform_roi_pool(input, rois, offset, _pair(output_size), spatial_scale, sampling_ratio, gamma)
