"""Stand-ins for ``mmcv/ops/carafe.py``."""

from typing import Any

import torch

from ....symbolics import carafe as symbolic
from ...context import ExportContext
from ...registry import rewrite


@rewrite("mmcv.ops.carafe.carafe")
def carafe(
    context: ExportContext,
    original: Any,
    features: torch.Tensor,
    masks: torch.Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> torch.Tensor:
    """Reassemble (N, C, H, W) features into (N, C, sH, sW), as an operator with a body."""
    return symbolic.carafe(features, masks, kernel_size, group_size, scale_factor)


@rewrite("mmcv.ops.carafe.carafe_naive")
def carafe_naive(
    context: ExportContext,
    original: Any,
    features: torch.Tensor,
    masks: torch.Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> torch.Tensor:
    """As :func:`carafe`."""
    return symbolic.carafe(features, masks, kernel_size, group_size, scale_factor, naive=True)
