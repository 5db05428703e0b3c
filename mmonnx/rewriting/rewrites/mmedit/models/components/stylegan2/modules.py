"""Stand-in for StyleGAN2's layers."""

from typing import Any

import torch
from torch.nn import functional

from .....context import ExportContext
from .....registry import rewrite


@rewrite("mmedit.models.components.stylegan2.modules.ModulatedConv2d.forward")
def modulated(context: ExportContext, original: Any, self: Any, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W) through a convolution whose weights are each image's own, by its style (N, S).

    A style scales the weights of an input channel, and another number those of an output channel: the maps are scaled
    in their place, so that there is one convolution for a batch of any number, and no group for each image.
    """
    scales = self.style_modulation(style).reshape(-1, self.in_channels) + self.style_bias
    weight = self.weight[0]
    x = x * scales[:, :, None, None]
    if self.downsample:
        x = functional.conv2d(self.blur(x), weight, stride=2)
    elif self.upsample:
        x = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    else:
        x = functional.conv2d(x, weight, padding=self.padding)
    if self.demodulate:
        power = torch.matmul(scales.pow(2), weight.pow(2).sum((2, 3)).transpose(0, 1))
        x = x * torch.rsqrt(power + self.eps)[:, :, None, None]
    return self.blur(x) if self.upsample else x
