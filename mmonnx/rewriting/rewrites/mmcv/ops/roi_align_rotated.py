"""Stand-ins for ``mmcv/ops/roi_align_rotated.py``."""

from typing import Any, Tuple, Union

import torch
from torch.nn.modules.utils import _pair

from ....symbolics import roi_align_rotated as pool
from ...context import ExportContext
from ...registry import rewrite


@rewrite("mmcv.ops.roi_align_rotated.roi_align_rotated")
def roi_align_rotated(
    context: ExportContext,
    original: Any,
    input: torch.Tensor,
    rois: torch.Tensor,
    output_size: Union[int, Tuple[int, int]],
    spatial_scale: float,
    sampling_ratio: int = 0,
    aligned: bool = True,
    clockwise: bool = False,
) -> torch.Tensor:
    """Pool (N, C, H, W) features at (K, 6) rotated RoIs into (K, C, h, w)."""
    size = _pair(output_size)
    return pool(input, rois, size, spatial_scale, sampling_ratio, aligned, clockwise)


@rewrite("mmcv.ops.roi_align_rotated.RoIAlignRotated.forward")
def forward(context: ExportContext, original: Any, self: Any, input: torch.Tensor, rois: torch.Tensor) -> torch.Tensor:
    """As :func:`roi_align_rotated`; upstream's layer does not go by way of that function."""
    settings = (self.spatial_scale, self.sampling_ratio, self.aligned, self.clockwise)
    return pool(input, rois, self.output_size, *settings)
