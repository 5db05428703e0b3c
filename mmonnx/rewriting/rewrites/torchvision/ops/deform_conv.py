"""Stand-in for ``torchvision/ops/deform_conv.py``."""

from typing import Any, Optional

import torch

from ....symbolics import deform_conv as symbolic
from ...context import ExportContext
from ...registry import rewrite


@rewrite("torchvision.ops.deform_conv.deform_conv2d")
def deform_conv2d(
    context: ExportContext,
    original: Any,
    input: torch.Tensor,
    offset: torch.Tensor,
    weight: torch.Tensor,
    bias: Optional[torch.Tensor] = None,
    stride: Any = (1, 1),
    padding: Any = (0, 0),
    dilation: Any = (1, 1),
    mask: Optional[torch.Tensor] = None,
) -> torch.Tensor:
    """Convolve (N, C, H, W) with taps moved by (N, 2 * groups * kH * kW, H', W'), as mmcv's operators of that kind.

    The groups of both kinds follow from the shapes, as in torchvision's own.
    """
    if not torch.jit.is_tracing():
        return original(input, offset, weight, bias, stride, padding, dilation, mask)
    _, per_group, height, width = (int(size) for size in weight.shape)
    groups = int(input.shape[1]) // per_group
    moved = int(offset.shape[1]) // (2 * height * width)
    if mask is not None:
        return symbolic.modulated_deform_conv2d(
            input, offset, mask, weight, bias, stride, padding, dilation, groups, moved
        )
    out = symbolic.deform_conv2d(input, offset, weight, stride, padding, dilation, groups, moved)
    return out if bias is None else out + bias.reshape(-1, 1, 1)
