"""mmcv's masked convolution: computed everywhere here, and zero where the mask says so, as mmcv leaves it."""

from typing import List, Sequence, Union

import torch
from torch.nn import functional

from ...support import ExportError
from .body import Body, Value
from .operator import Operator

_NAME = "MMCVMaskedConv2d"


def _compute(
    features: torch.Tensor,
    mask: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    padding: List[int],
    stride: int,
) -> torch.Tensor:
    return functional.conv2d(features, weight, bias, padding=padding) * (mask > 0)[:, None].to(features)


def _write(
    body: Body, features: Value, mask: Value, weight: Value, bias: Value, padding: List[int], stride: int
) -> Value:
    dense = body.op("Conv", features, weight, bias, pads=[*padding, *padding], strides=[1, 1])
    return body.op("Where", body.unsqueeze(mask > 0.0, 1), dense, 0.0)


_MASKED_CONV = Operator(_NAME, ["features", "mask", "weight", "bias"], _compute, _write)


def masked_conv2d(
    features: torch.Tensor,
    mask: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    padding: Union[int, Sequence[int]] = 0,
    stride: Union[int, Sequence[int]] = 1,
) -> torch.Tensor:
    """Convolve where the mask is positive; the rest is zero.

    Args:
        features: (N, C, H, W); mmcv's own takes one image.
        mask: (N, H, W), bool or numbers.
        weight: (D, C, kh, kw).
        bias: (D,).
        padding: of both axes, or rows and columns; such that the result has the features' size.
        stride: 1.

    Returns:
        (N, D, H, W)

    Raises:
        ExportError: the result would not have the size of the mask.
    """
    padding = [padding] * 2 if isinstance(padding, int) else [int(value) for value in padding]
    kernel = [int(size) for size in weight.shape[2:]]
    if stride not in (1, (1, 1), [1, 1]):
        raise ExportError(f"{_NAME} has stride={stride}; expected 1, as in mmcv; use an ordinary convolution")
    if any(2 * pad != size - 1 for pad, size in zip(padding, kernel)):
        raise ExportError(
            f"{_NAME} has padding={padding} for a kernel of {kernel}, so that the mask does not fit the result; "
            f"expected {[(size - 1) // 2 for size in kernel]} and odd kernels; use an ordinary convolution"
        )
    return _MASKED_CONV(features, mask.to(features), weight, bias, padding=padding, stride=1)
