"""Stand-ins for TOFlow's network that interpolates."""

from typing import Any

import torch

from .....context import ExportContext
from .....padding import mirrored
from .....registry import rewrite
from .....sizes import ceil_divide

_STRIDE = 16


@rewrite("mmedit.models.backbones.vfi_backbones.tof_vfi_net.TOFlowVFINet.spatial_padding")
def spatial_padding(context: ExportContext, original: Any, self: Any, inputs: torch.Tensor) -> torch.Tensor:
    """Films (N, T, C, H, W), mirrored at the bottom and the right to multiples of 16; of some sizes by nothing."""
    for axis in (-2, -1):
        size = inputs.shape[axis]
        place = torch.arange(ceil_divide(size, _STRIDE) * _STRIDE, device=inputs.device)
        inputs = inputs.index_select(axis, mirrored(place, size))
    return inputs
