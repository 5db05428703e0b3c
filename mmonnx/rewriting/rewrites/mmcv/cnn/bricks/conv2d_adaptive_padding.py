"""Stand-ins for mmcv's convolution with TensorFlow's padding."""

from typing import Any

import torch
from torch.nn import functional

from ....context import ExportContext
from ....padding import pad_to_cover
from ....registry import rewrite


@rewrite("mmcv.cnn.bricks.conv2d_adaptive_padding.Conv2dAdaptivePadding.forward")
def forward(context: ExportContext, original: Any, self: Any, x: torch.Tensor) -> torch.Tensor:
    """Convolve (N, C, H, W) padded for any H and W."""
    x = pad_to_cover(x, self.kernel_size, self.stride, self.dilation, corner=False)
    return functional.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
