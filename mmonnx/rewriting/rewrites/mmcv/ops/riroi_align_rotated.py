"""Stand-in for ``mmcv/ops/riroi_align_rotated.py``."""

from typing import Any

import torch
from torch.nn.modules.utils import _pair

from .....fallback import turn_channels
from ....symbolics import roi_align_rotated
from ...context import ExportContext
from ...registry import rewrite


@rewrite("mmcv.ops.riroi_align_rotated.RiRoIAlignRotated.forward")
def forward(
    context: ExportContext, original: Any, self: Any, features: torch.Tensor, rois: torch.Tensor
) -> torch.Tensor:
    """Pool (N, C, H, W) features at (K, 6) rotated RoIs into (K, C, h, w), and turn their channels with the RoIs."""
    size = _pair(self.out_size)
    pooled = roi_align_rotated(features, rois, size, self.spatial_scale, self.num_samples, False, self.clockwise)
    return turn_channels(pooled, rois[:, 5], int(self.num_orientations))
