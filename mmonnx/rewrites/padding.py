"""Padding that depends on the size of the input."""

from typing import Any, Sequence

import torch
from torch.nn import functional

from .sizes import at_least_zero, ceil_divide, floor_divide


def pad_to_cover(
    x: torch.Tensor, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], corner: bool
) -> torch.Tensor:
    """Pad (N, C, H, W) with zeros so that strides cover all of it, for any H and W.

    Args:
        kernel, stride, dilation: of the convolution that follows, each (vertical, horizontal).
        corner: pad at the bottom and the right alone, not around.
    """
    pads: Any = []
    for size, length, step, spread in zip(x.shape[2:], kernel, stride, dilation):
        wanted = (ceil_divide(size, step) - 1) * step + (length - 1) * spread + 1
        total = at_least_zero(wanted - size)
        before = 0 if corner else floor_divide(total, 2)
        pads = [before, total - before, *pads]
    return functional.pad(x, pads)
