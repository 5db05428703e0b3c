"""Deformable convolution, without (v1) and with (v2) modulation, on torchvision's kernels."""

from typing import Any, Dict, Sequence, Tuple

import torch
import torchvision  # noqa: F401  (registers torch.ops.torchvision)

from .registry import operator


def _attributes(attributes: Dict[str, int], names: str, use_mask: bool) -> Tuple[int, ...]:
    """The integers in torchvision's order (rows before columns), from mmcv's keywords."""
    return (*(attributes[name] for name in names.split()), use_mask)


_V1 = "dH dW padH padW dilationH dilationW group deformable_group"
_V2 = "stride_h stride_w pad_h pad_w dilation_h dilation_w group deformable_group"


def _no_mask(input: torch.Tensor, weight: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
    """Stand-ins for the mask and the bias of the kernel that v1 has not."""
    return input.new_zeros((input.shape[0], 0)), input.new_zeros(weight.shape[0])


def _inside(input: torch.Tensor, weight: torch.Tensor, offset: torch.Tensor, integers: Tuple[int, ...]) -> torch.Tensor:
    """Which points lie on the input or less than a pixel beside it, as a mask for (pairs of) offsets."""
    stride, padding, dilation, groups = integers[0:2], integers[2:4], integers[4:6], integers[7]
    kernel, size = weight.shape[2:], offset.shape[2:]
    pairs = offset.view(offset.shape[0], groups, kernel[0], kernel[1], 2, *size)
    inside = torch.ones((), dtype=torch.bool, device=offset.device)
    for axis in (0, 1):
        window = torch.arange(size[axis], device=offset.device) * stride[axis] - padding[axis]
        points = torch.arange(kernel[axis], device=offset.device) * dilation[axis]
        window = window.view((-1, 1) if axis == 0 else (1, -1))
        points = points.view((-1, 1, 1, 1) if axis == 0 else (1, -1, 1, 1))
        place = (window + points).to(offset.dtype) + pairs[:, :, :, :, axis]
        inside = inside & (place > -1) & (place < input.shape[2 + axis])
    return inside.unsqueeze(4).expand_as(pairs).reshape(offset.shape)


def _backward(
    grad_output: torch.Tensor,
    input: torch.Tensor,
    weight: torch.Tensor,
    offset: torch.Tensor,
    mask: torch.Tensor,
    bias: torch.Tensor,
    integers: Tuple[int, ...],
) -> Tuple[torch.Tensor, ...]:
    """Gradients of input, weight, offset, mask and bias.

    A point exactly one pixel beside the input, as all of the border's are before the offsets are trained, is a kink:
    mmcv's kernels give its offset no gradient, torchvision's give that of the inner side.
    """
    grads = torch.ops.torchvision._deform_conv2d_backward(
        grad_output.contiguous(), input, weight, offset, mask, bias, *integers
    )
    by_offset = grads[2] * _inside(input, weight, offset, integers)
    return (*grads[:2], by_offset, *grads[3:])


@operator
def deform_conv_forward(
    input: torch.Tensor,
    weight: torch.Tensor,
    offset: torch.Tensor,
    output: torch.Tensor,
    columns: torch.Tensor,
    ones: torch.Tensor,
    **attributes: int,
) -> None:
    """Deformable convolution.

    Args:
        input: (N, C, H, W).
        weight: (D, C / group, kH, kW).
        offset: (N, 2 * deformable_group * kH * kW, H', W'), rows before columns.
        output: (N, D, H', W'), filled.
        columns: not used.
        ones: not used.
        attributes: kW, kH, dW, dH, padW, padH, dilationW, dilationH, group, deformable_group, im2col_step. The last
            one changes only how the compiled kernel splits the work, and the batch need not be a multiple of it here.
    """
    mask, bias = _no_mask(input, weight)
    integers = _attributes(attributes, _V1, False)
    output.copy_(torch.ops.torchvision.deform_conv2d(input, weight, offset, mask, bias, *integers))


@operator
def deform_conv_backward_input(
    input: torch.Tensor,
    offset: torch.Tensor,
    gradOutput: torch.Tensor,
    gradInput: torch.Tensor,
    gradOffset: torch.Tensor,
    weight: torch.Tensor,
    columns: torch.Tensor,
    **attributes: int,
) -> None:
    """Gradients of the input (added) and the offset (set); shapes as in :func:`deform_conv_forward`."""
    mask, bias = _no_mask(input, weight)
    grads = _backward(gradOutput, input, weight, offset, mask, bias, _attributes(attributes, _V1, False))
    gradInput.add_(grads[0])
    gradOffset.copy_(grads[2])


@operator
def deform_conv_backward_parameters(
    input: torch.Tensor,
    offset: torch.Tensor,
    gradOutput: torch.Tensor,
    gradWeight: torch.Tensor,
    columns: torch.Tensor,
    ones: torch.Tensor,
    scale: float,
    **attributes: int,
) -> None:
    """Gradient of the weight times ``scale`` (added); shapes as in :func:`deform_conv_forward`."""
    mask, bias = _no_mask(input, gradWeight)
    integers = _attributes(attributes, _V1, False)
    gradWeight.add_(_backward(gradOutput, input, gradWeight, offset, mask, bias, integers)[1], alpha=scale)


@operator
def modulated_deform_conv_forward(
    input: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    ones: torch.Tensor,
    offset: torch.Tensor,
    mask: torch.Tensor,
    output: torch.Tensor,
    columns: torch.Tensor,
    with_bias: bool,
    **attributes: int,
) -> None:
    """Modulated deformable convolution.

    Args:
        input: (N, C, H, W).
        weight: (D, C / group, kernel_h, kernel_w).
        bias: (D,), or empty without one.
        ones: not used.
        offset: (N, 2 * deformable_group * kernel_h * kernel_w, H', W'), rows before columns; of a larger map, as
            DyHead's, mmcv reads the first numbers of each image as if they were in this shape.
        mask: (N, deformable_group * kernel_h * kernel_w, H', W'), likewise.
        output: (N, D, H', W'), filled.
        columns: not used.
        with_bias: whether there is a bias.
        attributes: kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group,
            deformable_group.
    """
    if not with_bias:
        bias = input.new_zeros(weight.shape[0])
    integers = _attributes(attributes, _V2, True)
    offset, mask = (first_numbers(value, output.shape[2:]) for value in (offset, mask))
    output.copy_(torch.ops.torchvision.deform_conv2d(input, weight, offset, mask, bias, *integers))


def first_numbers(values: torch.Tensor, size: Sequence[Any]) -> torch.Tensor:
    """The first numbers of each image of (N, C, H, W) as (N, C, *size), where the size is another."""
    if [int(length) for length in values.shape[2:]] == [int(length) for length in size]:
        return values
    channels = int(values.shape[1])
    return values.flatten(1)[:, : channels * size[0] * size[1]].reshape(-1, channels, *size)


@operator
def modulated_deform_conv_backward(
    input: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    ones: torch.Tensor,
    offset: torch.Tensor,
    mask: torch.Tensor,
    columns: torch.Tensor,
    grad_input: torch.Tensor,
    grad_weight: torch.Tensor,
    grad_bias: torch.Tensor,
    grad_offset: torch.Tensor,
    grad_mask: torch.Tensor,
    grad_output: torch.Tensor,
    with_bias: bool,
    **attributes: int,
) -> None:
    """Gradients of input, weight and bias (added), offset and mask (set); shapes as in the forward."""
    given = bias if with_bias else input.new_zeros(weight.shape[0])
    grads = _backward(grad_output, input, weight, offset, mask, given, _attributes(attributes, _V2, True))
    grad_input.add_(grads[0])
    grad_weight.add_(grads[1])
    grad_offset.copy_(grads[2])
    grad_mask.copy_(grads[3])
    if with_bias:
        grad_bias.add_(grads[4])
