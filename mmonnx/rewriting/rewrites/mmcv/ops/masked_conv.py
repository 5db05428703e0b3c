"""Stand-in for ``mmcv/ops/masked_conv.py``."""

from typing import Any, Sequence, Union

import torch

from ....symbolics import masked_conv as symbolic
from ...context import ExportContext
from ...registry import rewrite


@rewrite("mmcv.ops.masked_conv.masked_conv2d")
def masked_conv2d(
    context: ExportContext,
    original: Any,
    features: torch.Tensor,
    mask: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    padding: Union[int, Sequence[int]] = 0,
    stride: int = 1,
) -> torch.Tensor:
    """Convolve (N, C, H, W) features where the (N, H, W) mask is positive; mmcv takes one image, this any number."""
    return symbolic.masked_conv2d(features, mask, weight, bias, padding, stride)
