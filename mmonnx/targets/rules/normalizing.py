"""Normalization: by mean and deviation, or by what is around."""

from typing import Optional, Sequence, Tuple

from ..conditions import TypeIs
from .base import ROUNDING, Node, Result, Rule, Tensor, constant, op, reshaped, size


def _centred(node: Node, x: Tensor, axes: Sequence[int]) -> Tuple[Tensor, Tensor]:
    """How far the elements are from their mean, and the mean of the squares of that."""
    centred = x - node.reduce("ReduceMean", x, axes)
    return centred, node.reduce("ReduceMean", centred * centred, axes)


def _normalized(node: Node, x: Tensor, axes: Sequence[int], epsilon: float) -> Tensor:
    centred, variance = _centred(node, x, axes)
    return centred / op("Sqrt", variance + epsilon)


def _along_channels(x: Tensor, rank: int) -> Tensor:
    """A vector of a number for each channel, as it is broadcast against (N, C, ...)."""
    if x.known is not None:
        array = x.known.array()
        if array is not None:
            return Tensor(x.dtype, array=array.reshape(-1, *[1] * (rank - 2)))
    return reshaped(x, -1, *[1] * (rank - 2))


def _instance(node: Node) -> Result:
    rank = node.rank()
    if rank is None or rank < 3:
        return None
    found = _normalized(node, node[0], range(2, rank), node.attribute("epsilon"))
    if not _is_all(node, 1, 1):  # within GroupNorm it is
        found = found * _along_channels(node[1], rank)
    return found if _is_all(node, 2, 0) else found + _along_channels(node[2], rank)


def _is_all(node: Node, index: int, number: float) -> bool:
    array = node.array(index)
    return array is not None and bool((array == number).all())


def _layer(node: Node) -> Result:
    rank, axis = node.rank(), node.axis(default=-1)
    if rank is None or axis is None:
        return None
    found = _normalized(node, node[0], range(axis, rank), node.attribute("epsilon")) * node[1]
    bias = node.given(2)
    return found if bias is None else found + bias


def _group(node: Node) -> Result:
    sizes, rank = node.sizes(), node.rank()
    groups, channels = node.attribute("num_groups"), sizes[1] if sizes else None
    if rank is None or channels is None or rank < 3:
        return None
    apart = reshaped(node[0], size(node[0], 0), int(groups), -1)
    alike = op("Reshape", _normalized(node, apart, [2], node.attribute("epsilon")), op("Shape", node[0]))
    return alike * _for_groups(node[1], rank, channels) + _for_groups(node[2], rank, channels)


def _for_groups(x: Tensor, rank: int, channels: int) -> Tensor:
    """Before opset 21 there is a number for each group, from then on one for each channel."""
    known: Optional[Sequence[Optional[int]]] = x.known.sizes() if x.known is not None else None
    groups = known[0] if known is not None else None
    if groups is not None and groups != channels:
        each = op("Expand", reshaped(x, -1, 1), constant([groups, channels // groups]))
        x = reshaped(each, -1)
    return _along_channels(x, rank)


def _mean_variance(node: Node) -> Result:
    centred, variance = _centred(node, node[0], node.attribute("axes", [0, 2, 3]))
    return centred / (op("Sqrt", variance) + 1e-9)


def _local_response(node: Node) -> Result:
    if node.rank() != 4:
        return None
    x, count = node[0], int(node.attribute("size"))
    below = (count - 1) // 2
    above = count - 1 - below
    flat = reshaped(x * x, size(x, 0), 1, size(x, 1), -1)
    padded = op("Pad", flat, constant([0, 0, below, 0, 0, 0, above, 0]), 0.0, mode="constant")
    mean = op("AveragePool", padded, kernel_shape=[count, 1], strides=[1, 1], pads=[0, 0, 0, 0])
    around = op("Reshape", mean, op("Shape", x))
    scaled = node.attribute("bias") + node.attribute("alpha") * around
    return x / op("Pow", scaled, node.attribute("beta"))


RULES = (
    Rule("InstanceNormalization", _instance, ROUNDING),
    Rule("LayerNormalization", _layer, ROUNDING, (TypeIs(0, ("float32", "float64")),)),
    Rule("GroupNormalization", _group, ROUNDING),
    Rule("MeanVarianceNormalization", _mean_variance, ROUNDING),
    Rule("LRN", _local_response, ROUNDING),
)
