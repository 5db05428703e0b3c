"""mmcv's deformable convolutions, without (v1) and with (v2) a mask."""

from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import torch
import torchvision

from .body import Body, Value
from .operator import Operator

Pair = Tuple[int, int]

_FIRST_DEFORM_CONV = 19
"""The opset from which ONNX has the operator itself."""


def _write(
    body: Body,
    input: Value,
    offset: Value,
    mask: Optional[Value],
    weight: Value,
    bias: Optional[Value],
    settings: Sequence[Pair],
    groups: int,
    deform_groups: int,
) -> Value:
    """Either version; the settings are stride, padding and dilation."""
    if body.opset >= _FIRST_DEFORM_CONV:
        stride, padding, dilation = (list(pair) for pair in settings)
        given = [input, weight, offset] + ([bias, mask] if bias is not None and mask is not None else [])
        sizes: Dict[str, Any] = dict(strides=stride, pads=padding * 2, dilations=dilation)
        return body.op("DeformConv", *given, **sizes, group=groups, offset_group=deform_groups)
    columns = _columns(body, input, offset, mask, weight, settings, deform_groups)
    return _product(body, columns, offset, weight, bias, groups)


def _columns(
    body: Body,
    input: Value,
    offset: Value,
    mask: Optional[Value],
    weight: Value,
    settings: Sequence[Pair],
    groups: int,
) -> Value:
    """What the taps of the kernel see: (N * H' * W' * kH * kW * groups, C / groups), all taps at once.

    Around the input lie zeros, so that a corner beside it reads one. A point further out is moved onto them.
    """
    batch, channels, height, width = (body.size(input, axis) for axis in range(4))
    kernel, out = [body.size(weight, axis) for axis in (2, 3)], [body.size(offset, axis) for axis in (2, 3)]
    padded = body.op("Pad", input, [0, 0, 1, 1, 0, 0, 2, 2])
    split = body.reshape(padded, batch, groups, channels / groups, height + 3, width + 3)
    rows = body.reshape(body.op("Transpose", split, perm=[0, 3, 4, 1, 2]), -1, channels / groups)
    moves = body.reshape(offset, batch, groups, *kernel, 2, *out)
    moves = body.op("Transpose", moves, perm=[4, 0, 5, 6, 2, 3, 1])  # (2, N, H', W', kH, kW, groups)
    corners, shares = [], []
    for axis, size in enumerate((height, width)):
        place = body.column(moves, axis, axis=0) + _base(body, kernel[axis], out[axis], axis, settings)
        place = body.op("Clip", place, -1.0, body.cast(body.squeeze(size, 0), "float"))
        corner = body.op("Floor", place)
        corners.append(body.cast(corner, "int64") + 1)  # in the padded input
        shares.append(place - corner)
    image = body.range(batch) * ((height + 3) * (width + 3))
    # int64: float32 counts no further than 2 ** 24
    index = corners[0] * (width + 3) + corners[1] + body.reshape(image, -1, 1, 1, 1, 1, 1)
    index = body.reshape(index * groups + body.range(groups), -1)
    down = _weights(body, shares[0], mask, [batch, groups, *kernel, *out])
    across = _weights(body, shares[1], None, [])
    steps = [body.constant([0]), body.constant([groups]), (width + 3) * groups, (width + 3) * groups + groups]
    seen: List[Value] = []
    for number, step in enumerate(steps):
        share = body.reshape(down[number // 2] * across[number % 2], -1, 1)
        seen.append(body.op("Gather", rows, index + step if number else index, axis=0) * share)
    return seen[0] + seen[1] + seen[2] + seen[3]


def _base(body: Body, kernel: Value, out: Value, axis: int, settings: Sequence[Pair]) -> Value:
    """Where the taps lie without offsets, along one axis, to be added to (N, H', W', kH, kW, groups)."""
    stride, padding, dilation = (pair[axis] for pair in settings)
    windows = body.range(out) * stride - padding
    taps = body.range(kernel) * dilation
    shapes = ((-1, 1, 1, 1, 1), (-1, 1, 1)) if axis == 0 else ((-1, 1, 1, 1), (-1, 1))
    return body.cast(body.reshape(windows, *shapes[0]) + body.reshape(taps, *shapes[1]), "float")


def _weights(
    body: Body, share: Value, mask: Optional[Value], sizes: Sequence[Union[Value, int]]
) -> Tuple[Value, Value]:
    """The weights of the near and of the far corner along one axis, times the mask."""
    near = body.op("Sub", 1.0, share)
    if mask is None:
        return near, share
    by_tap = body.op("Transpose", body.reshape(mask, *sizes), perm=[0, 4, 5, 2, 3, 1])
    return near * by_tap, share * by_tap


def _product(body: Body, columns: Value, offset: Value, weight: Value, bias: Optional[Value], groups: int) -> Value:
    """What the taps see times the weight: (N, D, H', W')."""
    batch, out = body.size(offset, 0), [body.size(offset, axis) for axis in (2, 3)]
    filters, share, kernel = body.size(weight, 0), body.size(weight, 1), [body.size(weight, axis) for axis in (2, 3)]
    taps, places = kernel[0] * kernel[1], out[0] * out[1]
    last = body.op("Transpose", weight, perm=[2, 3, 1, 0])  # (kH, kW, C / groups, D)
    if groups == 1:
        matrix = body.reshape(last, -1, filters)
        # of two axes: ONNX Runtime 1.19 makes a Gemm of any product in front of a BatchNormalization
        product = body.op("MatMul", body.reshape(columns, batch * places, taps * share), matrix)
        if bias is not None:
            product = product + bias
        product = body.op("Transpose", body.reshape(product, batch, places, filters), perm=[0, 2, 1])
    else:
        by_group = body.reshape(last, taps, share, groups, filters / groups)
        matrix = body.reshape(body.op("Transpose", by_group, perm=[2, 0, 1, 3]), groups, taps * share, filters / groups)
        split = body.reshape(columns, batch * places, taps, groups, share)
        split = body.op("Transpose", split, perm=[2, 0, 1, 3])
        product = body.op("MatMul", body.reshape(split, groups, batch * places, taps * share), matrix)
        product = body.reshape(product, groups, batch, places, filters / groups)
        product = body.reshape(body.op("Transpose", product, perm=[1, 0, 3, 2]), batch, filters, places)
        if bias is not None:
            product = product + body.reshape(bias, -1, 1)
    return body.reshape(product, batch, filters, *out)


def _write_plain(
    body: Body,
    input: Value,
    offset: Value,
    weight: Value,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    deform_groups: int,
    bias: int,
    im2col_step: int,
) -> Value:
    return _write(body, input, offset, None, weight, None, (stride, padding, dilation), groups, deform_groups)


def _write_modulated(
    body: Body,
    input: Value,
    offset: Value,
    mask: Value,
    weight: Value,
    bias: Value,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    deform_groups: int,
) -> Value:
    return _write(body, input, offset, mask, weight, bias, (stride, padding, dilation), groups, deform_groups)


def _compute_plain(
    input: torch.Tensor,
    offset: torch.Tensor,
    weight: torch.Tensor,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    **others: Any,
) -> torch.Tensor:
    return torchvision.ops.deform_conv2d(input, offset, weight, None, stride, padding, dilation)


def _compute_modulated(
    input: torch.Tensor,
    offset: torch.Tensor,
    mask: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    **others: Any,
) -> torch.Tensor:
    return torchvision.ops.deform_conv2d(input, offset, weight, bias, stride, padding, dilation, mask)


_PLAIN = Operator("MMCVDeformConv2d", ["input", "offset", "weight"], _compute_plain, _write_plain)
_MODULATED = Operator(
    "MMCVModulatedDeformConv2d", ["input", "offset", "mask", "weight", "bias"], _compute_modulated, _write_modulated
)


def deform_conv2d(
    input: torch.Tensor,
    offset: torch.Tensor,
    weight: torch.Tensor,
    stride: Union[int, Sequence[int]] = 1,
    padding: Union[int, Sequence[int]] = 0,
    dilation: Union[int, Sequence[int]] = 1,
    groups: int = 1,
    deform_groups: int = 1,
    im2col_step: int = 32,
) -> torch.Tensor:
    """Convolve with taps that are moved.

    Args:
        input: (N, C, H, W).
        offset: (N, 2 * deform_groups * kH * kW, H', W') in pixels, of each tap down before across.
        weight: (D, C / groups, kH, kW).
        stride, padding, dilation: of both axes, or down and across.
        groups: of the convolution.
        deform_groups: channels are split into this many groups, each with offsets of its own.
        im2col_step: how many images mmcv's kernel takes at once; the result does not depend on it.

    Returns:
        (N, D, H', W').
    """
    sizes = dict(stride=_pair(stride), padding=_pair(padding), dilation=_pair(dilation))
    numbers = dict(groups=int(groups), deform_groups=int(deform_groups), bias=0, im2col_step=int(im2col_step))
    return _PLAIN(input, offset, weight, **sizes, **numbers)


def modulated_deform_conv2d(
    input: torch.Tensor,
    offset: torch.Tensor,
    mask: torch.Tensor,
    weight: torch.Tensor,
    bias: Optional[torch.Tensor] = None,
    stride: Union[int, Sequence[int]] = 1,
    padding: Union[int, Sequence[int]] = 0,
    dilation: Union[int, Sequence[int]] = 1,
    groups: int = 1,
    deform_groups: int = 1,
) -> torch.Tensor:
    """As :func:`deform_conv2d`, what each tap sees times a mask (N, deform_groups * kH * kW, H', W').

    The node always has a bias (D,), zeros where the layer has none, so that all nodes have the same inputs.
    """
    bias = weight.new_zeros(weight.shape[0]) if bias is None else bias
    sizes = dict(stride=_pair(stride), padding=_pair(padding), dilation=_pair(dilation))
    numbers = dict(groups=int(groups), deform_groups=int(deform_groups))
    return _MODULATED(input, offset, mask, weight, bias, **sizes, **numbers)


def _pair(value: Union[int, Sequence[int]]) -> List[int]:
    return [int(one) for one in value] if isinstance(value, Sequence) else [int(value)] * 2
