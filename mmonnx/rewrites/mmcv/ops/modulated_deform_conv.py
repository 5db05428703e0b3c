"""Stand-in for ``mmcv/ops/modulated_deform_conv.py``."""

from typing import Any, Optional

import torch

from ....symbolics import deform_conv as symbolic
from ...context import ExportContext
from ...registry import rewrite


@rewrite("mmcv.ops.modulated_deform_conv.modulated_deform_conv2d", imported_by=("mmcv.ops",))
def modulated_deform_conv2d(
    context: ExportContext,
    original: Any,
    input: torch.Tensor,
    offset: torch.Tensor,
    mask: torch.Tensor,
    weight: torch.Tensor,
    bias: Optional[torch.Tensor] = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    deform_groups: int = 1,
) -> torch.Tensor:
    """As the deformable convolution, with a mask (N, deform_groups * kH * kW, H', W'), as one operator."""
    return symbolic.modulated_deform_conv2d(
        input, offset, mask, weight, bias, stride, padding, dilation, groups, deform_groups
    )
