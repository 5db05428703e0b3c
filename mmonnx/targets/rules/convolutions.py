"""Convolutions and pooling: forms of them, and attributes that are not written."""

from typing import Any, Dict, List, Optional

import numpy as np

from ..conditions import AnyElement, Asymmetric, BadlyFusedDepthwise, IsNot, Missing, RankIsNot
from .base import EXACT, ROUNDING, Node, Result, Rule, Tensor, constant, joined, op, reshaped, where

_CONV = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")
_POOL = ("auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "storage_order", "strides")
_LOWEST = float(np.finfo(np.float32).min)


def _again(node: Node, names: Any, **changed: Any) -> Tensor:
    """The same operator with other attributes; those that are None are left out."""
    attributes: Dict[str, Any] = {**node.attributes(*names), **changed}
    given = {name: value for name, value in attributes.items() if value is not None}
    return op(node.operator, *node.inputs, **given)


def _kernel(node: Node) -> Optional[List[int]]:
    """The sizes of the kernel."""
    if node.has("kernel_shape"):
        return list(node.attribute("kernel_shape"))
    sizes = node.sizes(1)
    if sizes is None:
        return None
    known = [number for number in sizes[2:] if number is not None]
    return known if len(known) == len(sizes) - 2 else None


def _with_kernel(node: Node) -> Result:
    kernel = _kernel(node)
    return None if kernel is None else _again(node, _CONV, kernel_shape=kernel)


def _told_all(node: Node) -> Result:
    kernel = _kernel(node)
    if kernel is None or node.has("output_shape") or node.attribute("auto_pad") not in (None, "NOTSET"):
        return None
    count = len(kernel)
    attributes = {"dilations": [1] * count, "kernel_shape": kernel, "pads": [0] * 2 * count, "strides": [1] * count}
    return _again(node, ("group", "output_padding"), **{**attributes, **node.attributes(*attributes)})


def _pool_with_strides(node: Node) -> Result:
    return _again(node, _POOL, strides=[1] * len(node.attribute("kernel_shape")))


def _without_auto_pad(node: Node) -> Result:
    kernel, mode = _kernel(node), node.attribute("auto_pad")
    names = _CONV if node.operator == "Conv" else _POOL
    if kernel is None:
        return None
    strides = node.attribute("strides", [1] * len(kernel))
    dilations = node.attribute("dilations", [1] * len(kernel))
    if mode == "VALID":
        return _again(node, names, auto_pad=None, pads=[0] * 2 * len(kernel))
    sizes = node.sizes()
    if sizes is None:
        return None
    begin, end = [], []
    for length, step, width, apart in zip(sizes[2:], strides, kernel, dilations):
        reach = (width - 1) * apart + 1
        if step == 1:
            total = reach - 1
        elif length is None:
            return None
        else:
            total = max((-(-length // step) - 1) * step + reach - length, 0)
        less = total // 2
        begin.append(less if mode == "SAME_UPPER" else total - less)
        end.append(total - begin[-1])
    return _again(node, names, auto_pad=None, pads=[*begin, *end])


def _padded(x: Tensor, pads: List[int], value: float) -> Tensor:
    """With padding around the axes behind the channels, as a convolution's ``pads`` gives it."""
    half = len(pads) // 2
    return op("Pad", x, constant([0, 0, *pads[:half], 0, 0, *pads[half:]]), value, mode="constant")


def _padded_before(node: Node) -> Result:
    pads = list(node.attribute("pads"))
    padded = _padded(node[0], pads, 0.0)
    attributes = {**node.attributes(*_CONV), "pads": [0] * len(pads)}
    return op("Conv", padded, *node.inputs[1:], **attributes)


def _apart(node: Node) -> Result:
    """Something between the two convolutions that keeps PPLNN from making one of them; a product would not."""
    return op("Conv", op("Sub", node[0], 0.0), *node.inputs[1:], **node.attributes(*_CONV))


def _pooled_of_padded(node: Node) -> Result:
    pads, count = list(node.attribute("pads")), len(node.attribute("kernel_shape"))
    largest = node.operator == "MaxPool"
    if node.output_count > 1 or not (largest or node.attribute("count_include_pad")):
        return None  # the mean is of what is no padding
    padded = _padded(node[0], pads, _LOWEST if largest else 0.0)
    return op(node.operator, padded, **{**node.attributes(*_POOL), "pads": [0] * 2 * count})


def _pooled_in_rows(node: Node) -> Result:
    """Pooling along one axis, as pooling of pictures of one row."""
    if node.rank() != 3 or node.output_count > 1:
        return None
    attributes = node.attributes(*_POOL)
    for name, alone in (("kernel_shape", 1), ("strides", 1), ("dilations", 1)):
        if name in attributes:
            attributes[name] = [alone, *attributes[name]]
    if "pads" in attributes:
        begin, end = attributes["pads"]
        attributes["pads"] = [0, begin, 0, end]
    return node.squeeze(op(node.operator, node.unsqueeze(node[0], [2]), **attributes), [2])


def _transposed_by_group(node: Node) -> Result:
    groups, sizes = int(node.attribute("group")), node.sizes(1)
    if sizes is None or sizes[0] is None or sizes[1] is None or node.has("output_shape"):
        return None
    inside, outside = sizes[0] // groups, sizes[1]
    attributes = {**node.attributes(*_CONV, "output_padding"), "group": 1}
    parts = node.split(node[0], [inside] * groups, 1)
    kernels = _rows(node, node[1], inside, groups)
    bias = node.given(2)
    biases = [None] * groups if bias is None else _rows(node, bias, outside, groups)
    made = [
        op("ConvTranspose", part, kernel, *([] if own is None else [own]), **attributes)
        for part, kernel, own in zip(parts, kernels, biases)
    ]
    return joined(made, axis=1)


def _rows(node: Node, x: Tensor, count: int, groups: int) -> List[Tensor]:
    """Weights in parts along their first axis."""
    array = x.known.array() if x.known is not None else None
    if array is None:
        return node.split(x, [count] * groups, 0)
    return [Tensor(x.dtype, array=array[index * count : (index + 1) * count]) for index in range(groups)]


def _transposed_further(node: Node) -> Result:
    """What output_padding adds at the end is cut off less there, and past the last number only the bias."""
    kernel = _kernel(node)
    if kernel is None or node.has("output_shape") or node.attribute("auto_pad") not in (None, "NOTSET"):
        return None
    count = len(kernel)
    pads = list(node.attribute("pads", [0] * 2 * count))
    further = list(node.attribute("output_padding", [0] * count))
    attributes = {**node.attributes("dilations", "group", "kernel_shape", "strides"), "pads": [0] * 2 * count}
    whole = op("ConvTranspose", node[0], node[1], **attributes)
    missing = [max(extra - end, 0) for extra, end in zip(further, pads[count:])]
    if any(missing):
        whole = _padded(whole, [0] * count + missing, 0.0)
    # from the end, 0 is none: a number past all ends
    ends = [-(end - extra) if end > extra else 2**31 - 1 for extra, end in zip(further, pads[count:])]
    axes = constant(list(range(2, 2 + count)))
    if any(pads):
        whole = op("Slice", whole, constant(pads[:count]), constant(ends), axes, constant([1] * count))
    bias = node.given(2)
    return whole if bias is None else whole + reshaped(bias, 1, -1, *[1] * count)


def _pool_apart(node: Node) -> Result:
    """Pooling of elements that lie apart: the largest of the tensor and of its copies that are moved, axis by axis."""
    kernel, dilations = list(node.attribute("kernel_shape")), list(node.attribute("dilations"))
    count = len(kernel)
    if node.output_count > 1 or node.attribute("ceil_mode") or node.attribute("auto_pad") not in (None, "NOTSET"):
        return None
    strides = list(node.attribute("strides", [1] * count))
    pads = list(node.attribute("pads", [0] * 2 * count))
    x = node[0]
    if any(pads):
        x = _padded(x, pads, _LOWEST)
    for axis, (width, apart, step) in enumerate(zip(kernel, dilations, strides), 2):
        reach = (width - 1) * apart
        moved = [_moved(x, axis, index * apart, index * apart - reach, step) for index in range(width)]
        x = moved[0]
        for other in moved[1:]:
            x = where(op("Greater", other, x), other, x)
    return x


def _moved(x: Tensor, axis: int, start: int, end: int, step: int) -> Tensor:
    last = end if end < 0 else 2**31 - 1
    return op("Slice", x, constant([start]), constant([last]), constant([axis]), constant([step]))


RULES = (
    Rule("Conv", _without_auto_pad, EXACT, (IsNot("auto_pad", ("NOTSET",)),)),
    Rule("Conv", _with_kernel, EXACT, (Missing("kernel_shape"),)),
    Rule("Conv", _padded_before, ROUNDING, (Asymmetric(),)),
    Rule("ConvTranspose", _transposed_by_group, ROUNDING, (IsNot("group", (1,)),)),
    Rule("ConvTranspose", _transposed_further, ROUNDING, (AnyElement("output_padding", 0),)),
    Rule("ConvTranspose", _transposed_further, ROUNDING, (Asymmetric(),)),
    Rule("ConvTranspose", _told_all),
    Rule("Conv", _apart, EXACT, (BadlyFusedDepthwise(),)),
    *(
        rule
        for name in ("MaxPool", "AveragePool")
        for rule in (
            Rule(name, _pooled_in_rows, EXACT, (RankIsNot(0, 4),)),
            Rule(name, _without_auto_pad, EXACT, (IsNot("auto_pad", ("NOTSET",)),)),
            Rule(name, _pooled_of_padded, EXACT, (Asymmetric(),)),
        )
    ),
    Rule("MaxPool", _pool_apart, EXACT, (AnyElement("dilations", 1),)),
    Rule("MaxPool", _pool_with_strides, EXACT, (Missing("strides"),)),
    Rule("AveragePool", _pool_with_strides, EXACT, (Missing("strides"),)),
)
