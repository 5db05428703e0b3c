"""How alike places of two maps are that lie some pixels apart, in plain torch."""

from typing import Tuple

import torch
from torch.nn import functional

from .gradients import gradients
from .registry import operator

Pair = Tuple[int, int]


def correlated(
    input1: torch.Tensor,
    input2: torch.Tensor,
    kernel: Pair,
    patch: Pair,
    padding: Pair,
    dilation: Pair,
    spacing: Pair,
    stride: Pair,
) -> torch.Tensor:
    """(N, rows, columns, H', W') of two maps (N, C, H, W): sums of products, for each shift of the second map.

    Args:
        kernel: (height, width) of the neighbourhood that a sum is over.
        patch: how many shifts there are, down and to the right; the middle one is none.
        padding: of zeros around the maps, in pixels.
        dilation: of the kernel.
        spacing: of the shifts, in pixels.
        stride: of the places that are compared.
    """
    reach = [side // 2 * step for side, step in zip(patch, spacing)]
    # the kernel may reach over the border of the first map
    first = functional.pad(input1, [padding[1], padding[1], padding[0], padding[0]])
    around = [padding[1] + reach[1]] * 2 + [padding[0] + reach[0]] * 2
    second = functional.pad(input2, around)
    height, width = first.shape[2:]
    ones = input1.new_ones((1, 1, *kernel))
    found = []
    for down in range(0, 2 * reach[0] + 1, spacing[0]):
        for right in range(0, 2 * reach[1] + 1, spacing[1]):
            shifted = second[:, :, down : down + height, right : right + width]
            alike = (first * shifted).sum(1, keepdim=True)
            found.append(functional.conv2d(alike, ones, stride=stride, dilation=dilation))
    return torch.stack(found, 2).reshape(-1, *patch, *found[0].shape[2:])


@operator
def correlation_forward(
    input1: torch.Tensor,
    input2: torch.Tensor,
    output: torch.Tensor,
    kH: int,
    kW: int,
    patchH: int,
    patchW: int,
    padH: int,
    padW: int,
    dilationH: int,
    dilationW: int,
    dilation_patchH: int,
    dilation_patchW: int,
    dH: int,
    dW: int,
) -> None:
    """Fill (N, patchH, patchW, H', W') with :func:`correlated`, whose arguments these are, a number a side."""
    kernel, patch, padding, dilation = (kH, kW), (patchH, patchW), (padH, padW), (dilationH, dilationW)
    spacing, stride = (dilation_patchH, dilation_patchW), (dH, dW)
    output.copy_(correlated(input1, input2, kernel, patch, padding, dilation, spacing, stride))


@operator
def correlation_backward(
    grad_output: torch.Tensor,
    input1: torch.Tensor,
    input2: torch.Tensor,
    grad_input1: torch.Tensor,
    grad_input2: torch.Tensor,
    kH: int,
    kW: int,
    patchH: int,
    patchW: int,
    padH: int,
    padW: int,
    dilationH: int,
    dilationW: int,
    dilation_patchH: int,
    dilation_patchW: int,
    dH: int,
    dW: int,
) -> None:
    """Gradients of :func:`correlation_forward` by both maps."""
    kernel, patch, padding, dilation = (kH, kW), (patchH, patchW), (padH, padW), (dilationH, dilationW)
    spacing, stride = (dilation_patchH, dilation_patchW), (dH, dW)

    def again(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return correlated(one, other, kernel, patch, padding, dilation, spacing, stride)

    for grad, value in zip((grad_input1, grad_input2), gradients(again, (input1, input2), grad_output)):
        grad.copy_(value)
