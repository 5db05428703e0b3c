"""Stand-in for ``mmcv/ops/deform_roi_pool.py``."""

from typing import Any, Optional, Tuple, Union

import torch
from torch.nn.modules.utils import _pair

from ....symbolics import deform_roi_pool as symbolic
from ...context import ExportContext
from ...registry import rewrite


@rewrite("mmcv.ops.deform_roi_pool.deform_roi_pool")
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


@rewrite("mmcv.ops.deform_roi_pool.DeformRoIPoolPack.forward")
def pack_forward(
    context: ExportContext, original: Any, self: Any, input: torch.Tensor, rois: torch.Tensor
) -> torch.Tensor:
    """Pool at (K, 5) RoIs by learned offsets; K may be 0, which upstream's ``view`` does not take."""
    return _pool(self, input, rois, _offset(self, _flat(self, input, rois)))


@rewrite("mmcv.ops.deform_roi_pool.ModulatedDeformRoIPoolPack.forward")
def modulated_pack_forward(
    context: ExportContext, original: Any, self: Any, input: torch.Tensor, rois: torch.Tensor
) -> torch.Tensor:
    """As :func:`pack_forward`, times learned masks."""
    flat = _flat(self, input, rois)
    return _pool(self, input, rois, _offset(self, flat)) * self.mask_fc(flat).reshape(-1, 1, *self.output_size)


def _pool(layer: Any, input: torch.Tensor, rois: torch.Tensor, offset: Optional[torch.Tensor]) -> torch.Tensor:
    attributes = (layer.output_size, layer.spatial_scale, layer.sampling_ratio, layer.gamma)
    return symbolic.deform_roi_pool(input, rois, offset, *attributes)


def _flat(layer: Any, input: torch.Tensor, rois: torch.Tensor) -> torch.Tensor:
    """What is pooled without offsets, (K, C * h * w)."""
    height, width = layer.output_size
    return _pool(layer, input, rois, None).reshape(-1, layer.output_channels * height * width)


def _offset(layer: Any, flat: torch.Tensor) -> torch.Tensor:
    return layer.offset_fc(flat).reshape(-1, 2, *layer.output_size)
