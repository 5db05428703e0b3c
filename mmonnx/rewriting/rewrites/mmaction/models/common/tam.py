"""Stand-in for the temporal adaptive module of TANet."""

from typing import Any

import torch
from torch.nn import functional

from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmaction.models.common.tam.TAM.forward")
def forward(context: ExportContext, original: Any, self: Any, x: torch.Tensor) -> torch.Tensor:
    """(N * num_segments, C, H, W) of any batch: upstream's convolution has as many groups as the batch has channels.

    Each channel has a kernel of its own over time, so that the convolution is a sum of a few shifted products.
    """
    segments, (channels, height, width) = self.num_segments, x.shape[1:]
    clips = x.view(-1, segments, channels, height, width).transpose(1, 2)  # (N, C, T, H, W)
    means = clips.mean((3, 4))
    kernel = self.G(means.reshape(-1, segments)).view(-1, channels, self.adaptive_kernel_size, 1, 1)
    clips = clips * self.L(means)[..., None, None]
    stride, padding = self.adaptive_convolution_stride, self.adaptive_convolution_padding
    padded = functional.pad(clips, (0, 0, 0, 0, padding, padding))
    last = segments + 2 * padding - self.adaptive_kernel_size + 1
    parts = [
        padded[:, :, start : start + last : stride] * kernel[:, :, start : start + 1]
        for start in range(self.adaptive_kernel_size)
    ]
    return sum(parts[1:], parts[0]).transpose(1, 2).reshape(-1, channels, height, width)
