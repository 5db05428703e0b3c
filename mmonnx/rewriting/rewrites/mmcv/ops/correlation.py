"""Stand-in for ``mmcv/ops/correlation.py``."""

from typing import Any

import torch
from torch.nn.modules.utils import _pair

from .....fallback import correlated
from ...context import ExportContext
from ...registry import rewrite


@rewrite("mmcv.ops.correlation.Correlation.forward")
def forward(
    context: ExportContext, original: Any, self: Any, input1: torch.Tensor, input2: torch.Tensor
) -> torch.Tensor:
    """Compare two maps (N, C, H, W) of any size, by products and convolutions of ones."""
    patch = 2 * self.max_displacement + 1
    sides = (self.padding, self.dilation, self.dilation_patch, self.stride)
    return correlated(input1, input2, _pair(self.kernel_size), (patch, patch), *map(_pair, sides))
