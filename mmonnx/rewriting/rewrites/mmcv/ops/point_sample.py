"""Stand-in for ``mmcv/ops/point_sample.py``."""

from typing import Any

import torch

from ...context import ExportContext
from ...point_sampling import sample_at_rois
from ...registry import rewrite


@rewrite("mmcv.ops.point_sample.SimpleRoIAlign.forward")
def forward(
    context: ExportContext, original: Any, self: Any, features: torch.Tensor, rois: torch.Tensor
) -> torch.Tensor:
    """Sample (N, C, H, W) features at a grid in each of (K, 5) RoIs: (K, C, h, w)."""
    height, width = self.output_size
    across = (torch.arange(width, device=rois.device).to(rois.dtype) + 0.5) / width
    down = (torch.arange(height, device=rois.device).to(rois.dtype) + 0.5) / height
    grid = torch.stack([across.repeat(height), down.repeat_interleave(width)], 1)
    points = rois[:, None, :2] * 0 + grid
    sampled = sample_at_rois(features, rois, points, self.spatial_scale, self.aligned)
    return sampled.reshape(-1, int(features.shape[1]), height, width)
