"""Putting patches that overlap back into maps, where each image has patches of its own."""

from typing import Any, Sequence

import torch
from torch.nn import functional


def fold(columns: torch.Tensor, size: Sequence[Any], kernel: int, stride: int, padding: int) -> torch.Tensor:
    """Sum patches of a map where they lie over each other, as ``torch.nn.functional.fold`` does, for any size.

    ONNX has an operator for it from opset 18 on alone. Patches are as many strides long as there are of them over each
    place, so that the sum is one of so many maps, each moved by some strides.

    Args:
        columns: (N, C * kernel * kernel, h * w) the patches.
        size: (h, w) how many patches there are.
        kernel: the side of a patch, a multiple of ``stride``.
        stride: between two patches.
        padding: what of the sum is left out on each side.

    Returns:
        (N, C, H, W), with H = (h - 1) * stride + kernel - 2 * padding.
    """
    (height, width), count = size, kernel // stride
    channels = int(columns.shape[1]) // kernel**2
    # of a patch's rows, which of its strides they belong to, and which row of that they are
    parts = columns.reshape(-1, channels, count, stride, count, stride, height, width)
    total: Any = 0
    for row in range(count):
        for column in range(count):
            tile = parts[:, :, row, :, column].permute(0, 1, 4, 2, 5, 3)  # (N, C, h, stride, w, stride)
            tile = tile.reshape(-1, channels, height * stride, width * stride)
            before, after = (column, row), (count - 1 - column, count - 1 - row)
            edges = [stride * side for pair in zip(before, after) for side in pair]
            total = total + functional.pad(tile, edges)
    return total[:, :, padding : total.shape[2] - padding, padding : total.shape[3] - padding]
