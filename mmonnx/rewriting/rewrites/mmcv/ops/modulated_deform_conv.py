"""Stand-in for ``mmcv/ops/modulated_deform_conv.py``."""

from typing import Any, Optional

import torch

from .....fallback import first_numbers
from ....symbolics import deform_conv as symbolic
from ...context import ExportContext
from ...registry import rewrite
from ...sizes import floor_divide


@rewrite("mmcv.ops.modulated_deform_conv.modulated_deform_conv2d")
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
    """As the deformable convolution, with a mask (N, deform_groups * kH * kW, H', W'), as one operator.

    Offsets and mask of a larger map are read as mmcv's kernel reads them, see ``first_numbers``.
    """
    pairs = [value if isinstance(value, (tuple, list)) else (value, value) for value in (stride, padding, dilation)]
    size = [
        floor_divide(input.shape[axis + 2] + 2 * pad - step * (int(weight.shape[axis + 2]) - 1) - 1, move) + 1
        for axis, (move, pad, step) in enumerate(zip(*pairs))
    ]
    offset, mask = first_numbers(offset, size), first_numbers(mask, size)
    return symbolic.modulated_deform_conv2d(
        input, offset, mask, weight, bias, stride, padding, dilation, groups, deform_groups
    )
