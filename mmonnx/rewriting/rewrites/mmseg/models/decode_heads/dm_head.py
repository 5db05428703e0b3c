"""Stand-ins for the head of DMNet."""

from typing import Any

import torch
from torch.nn import functional

from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmseg.models.decode_heads.dm_head.DCM.forward")
def forward(context: ExportContext, original: Any, self: Any, x: torch.Tensor) -> torch.Tensor:
    """Filter each channel of (N, C, H, W) by a kernel of its own that is made of the image.

    Upstream convolves all channels of all images as so many groups, and ONNX has groups of a number that is known.
    """
    size = self.filter_size
    kernels = self.filter_gen_conv(functional.adaptive_avg_pool2d(x, size))
    x = self.input_redu_conv(x)
    after = (size - 1) // 2
    before = size - 1 - after
    (height, width), padded = x.shape[2:], functional.pad(x, (before, after, before, after))
    taps = [
        padded[:, :, down : down + height, across : across + width]
        * kernels[:, :, down : down + 1, across : across + 1]
        for down in range(size)
        for across in range(size)
    ]
    output = sum(taps[1:], taps[0])
    output = self.activate(output if self.norm is None else self.norm(output))
    return self.fusion_conv(output) if self.fusion else output
