"""Stand-ins for ``mmcv/ops/deform_conv.py``."""

from typing import Any

import torch
from torch.nn.functional import pad

from ....symbolics import deform_conv as symbolic
from ...context import ExportContext
from ...registry import rewrite
from ...sizes import at_least_zero


@rewrite("mmcv.ops.deform_conv.deform_conv2d")
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


@rewrite("mmcv.ops.deform_conv.DeformConv2d.forward")
def forward(context: ExportContext, original: Any, self: Any, x: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """Convolve maps with moved taps; those smaller than the kernel, which mmcv's own refuses, are padded to its size.

    By as much as each size asks for: upstream asks the tracer, for whom a map that is too small is so forever.
    """
    height, width = x.shape[2:]
    if height >= self.kernel_size[0] and width >= self.kernel_size[1]:
        return original(self, x, offset)
    below, right = at_least_zero(self.kernel_size[0] - height), at_least_zero(self.kernel_size[1] - width)
    out = original(self, pad(x, (0, right, 0, below)), pad(offset, (0, right, 0, below)))
    return out[:, :, : out.shape[2] - below, : out.shape[3] - right]
