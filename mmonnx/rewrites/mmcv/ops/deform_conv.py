"""Stand-in for ``mmcv/ops/deform_conv.py``."""

from typing import Any

import torch

from ....symbolics import deform_conv as symbolic
from ...context import ExportContext
from ...registry import rewrite


@rewrite(
    "mmcv.ops.deform_conv.deform_conv2d",
    imported_by=("mmcv.ops", "mmcv.ops.saconv", "mmdet.models.dense_heads.tood_head"),
)
def deform_conv2d(
    context: ExportContext,
    original: Any,
    input: torch.Tensor,
    offset: torch.Tensor,
    weight: torch.Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    deform_groups: int = 1,
    bias: bool = False,
    im2col_step: int = 32,
) -> torch.Tensor:
    """Convolve (N, C, H, W) with taps moved by (N, 2 * deform_groups * kH * kW, H', W'), as one operator."""
    return symbolic.deform_conv2d(input, offset, weight, stride, padding, dilation, groups, deform_groups, im2col_step)
