"""Operators that pick elements by their places."""

from typing import List, Optional

import numpy as np

from ..conditions import NegativeConstant, PartialIndices, PicksOne, TypeIs, UnorderedAxes
from .base import (
    EXACT,
    Node,
    Result,
    Rule,
    Tensor,
    cast,
    constant,
    counted,
    like,
    one_of,
    op,
    outputs,
    reshaped,
    size,
    where,
)


def _gather_elements(node: Node) -> Result:
    # on flat indices: the place on the axis is given, those on the others are the element's own
    rank, axis = node.rank(), node.axis(default=0)
    if rank is None or axis is None:
        return None
    data, places = node[0], node[1]
    strides = _strides_to(data, rank)
    flat = _times(_wrapped(places, size(data, axis)), strides[axis])
    for other in range(rank):
        if other != axis:
            own = _times(counted(size(places, other)), strides[other])
            flat = flat + reshaped(own, *[-1 if index == other else 1 for index in range(rank)])
    return op("Gather", reshaped(data, -1), flat, axis=0)


def _wrapped(places: Tensor, length: Tensor) -> Tensor:
    """Places counted from the begin, those below 0 from the end before."""
    return where(op("Less", places, 0), places + length, places)


def _times(x: Tensor, stride: Optional[Tensor]) -> Tensor:
    return x if stride is None else x * stride


def _from_the_begin(node: Node) -> Result:
    indices, sizes = node.array(1), node.sizes()
    if indices is None or sizes is None:
        return None
    known = [number for number in sizes[: indices.shape[-1]] if number is not None]
    if len(known) < indices.shape[-1]:
        return None
    return op("ScatterND", node[0], constant(np.where(indices < 0, indices + known, indices)), node[2])


def _scattered_rows(node: Node) -> Result:
    """The axes that an index names as one."""
    rank, sizes = node.rank(), node.sizes(1)
    depth = sizes[-1] if sizes else None
    indices_rank = node.rank(1)
    if rank is None or depth is None or indices_rank is None or node.has("reduction"):
        return None
    data, places = node[0], node[1]
    flat: Optional[Tensor] = None
    for axis, stride in enumerate(_strides_to(data, depth)):
        own = op("Gather", places, constant([axis]), axis=indices_rank - 1)
        own = _times(_wrapped(own, size(data, axis)), stride)
        flat = own if flat is None else flat + own
    assert flat is not None
    rest = [size(data, axis) for axis in range(depth, rank)]
    rows = reshaped(data, -1, *rest)
    return op("Reshape", op("ScatterND", rows, flat, node[2]), op("Shape", data))


def _strides_to(data: Tensor, depth: int) -> List[Optional[Tensor]]:
    """How many rows apart the neighbours on each of the first axes are; None for 1."""
    found: List[Optional[Tensor]] = [None] * depth
    step: Optional[Tensor] = None
    for axis in reversed(range(depth - 1)):
        step = _times(size(data, axis + 1), step)
        found[axis] = step
    return found


def _one_hot(node: Node) -> Result:
    rank, depth = node.rank(), node.given(1)
    if rank is None or depth is None or not node[0].dtype or not node[2].dtype:
        return None
    places, count = cast(node[0], "int64"), reshaped(cast(depth, "int64"), 1)
    axis = int(node.attribute("axis", -1)) % (rank + 1)
    wrapped = node.unsqueeze(_wrapped(places, count), [axis])
    kinds = reshaped(counted(count), *[-1 if index == axis else 1 for index in range(rank + 1)])
    off, on = (op("Gather", node[2], constant(index), axis=0) for index in (0, 1))
    return where(op("Equal", wrapped, kinds), on, off)


def _scattered_from_the_begin(node: Node) -> Result:
    indices, sizes, axis = node.array(1), node.sizes(), node.axis()
    length = sizes[axis] if sizes is not None and axis is not None else None
    if indices is None or length is None:
        return None
    places = constant(np.where(indices < 0, indices + length, indices))
    return op("ScatterElements", node[0], places, node[2], **node.attributes("axis", "reduction"))


def _sliced_in_order(node: Node) -> Result:
    axes, rank = node.array(3), node.rank()
    if axes is None or rank is None:
        return None
    places = [int(axis) % rank for axis in axes]
    if places == sorted(places):
        return op("Slice", node[0], node[1], node[2], constant(places), *node.inputs[4:])
    x = node[0]
    for index, axis in enumerate(places):
        own = [_element(node, number, index) for number in (1, 2, 4)]
        x = op("Slice", x, own[0], own[1], constant([axis]), own[2] or constant([1]))
    return x


def _element(node: Node, number: int, index: int) -> Optional[Tensor]:
    """One element of an input that is a vector, as a vector of one."""
    array, given = node.array(number), node.given(number)
    if array is not None:
        return constant([int(array[index])])
    return None if given is None else op("Gather", given, constant([index]), axis=0)


def _sliced_backwards(node: Node) -> Result:
    """All of an axis from its end to its begin."""
    starts, ends, axes, steps = (node.array(index) for index in (1, 2, 3, 4))
    rank = node.rank()
    if starts is None or ends is None or axes is None or steps is None or rank is None:
        return None
    x = node[0]
    for start, end, axis, step in zip(starts.tolist(), ends.tolist(), axes.tolist(), steps.tolist()):
        if step != -1 or (start != -1 and start < 2**31 - 1) or end > -(2**31):
            return None
        length = size(x, axis % rank)
        x = op("Gather", x, length - 1 - counted(length), axis=axis % rank)
    return x


def _with_long_places(node: Node) -> Result:
    given = [item if index == 0 or item is None else cast(item, "int64") for index, item in enumerate(node.inputs)]
    return op(node.operator, *given, **node.attributes("axis"))


def _eye_like(node: Node) -> Result:
    rows = reshaped(counted(size(node[0], 0)), -1, 1)
    columns = reshaped(counted(size(node[0], 1)), 1, -1)
    ones = op("Equal", rows + int(node.attribute("k", 0)), columns)
    element = node.attribute("dtype")
    return Tensor("", op("Cast", ones, to=element or 1).call)


def _triangle(node: Node) -> Result:
    rank, k = node.rank(), node.given(1)
    if rank is None or rank < 2:
        return None
    rows = reshaped(counted(size(node[0], rank - 2)), -1, 1)
    columns = counted(size(node[0], rank - 1))
    border = rows if k is None else rows + reshaped(k, 1)
    outside = op("Less" if node.attribute("upper", 1) else "Greater", columns, border)
    return where(outside, like(node[0], 0), node[0])


def _one_of_a_shape(node: Node) -> Result:
    index = node.array(1)
    return None if index is None else one_of(node[0], int(index[0]))


def _compress(node: Node) -> Result:
    axis = node.attribute("axis")
    data = node[0] if axis is not None else reshaped(node[0], -1)
    places = node.squeeze(outputs("NonZero", 1, node[1])[0], [0])
    return op("Gather", data, places, axis=0 if axis is None else axis)


RULES = (
    Rule("GatherElements", _gather_elements),
    Rule("ScatterND", _from_the_begin, EXACT, (NegativeConstant(1),)),
    Rule("ScatterND", _scattered_rows, EXACT, (PartialIndices(),)),
    Rule("OneHot", _one_hot),
    Rule("ScatterElements", _scattered_from_the_begin, EXACT, (NegativeConstant(1),)),
    Rule("Slice", _with_long_places, EXACT, (TypeIs(1, ("int32",)),)),
    Rule("Gather", _with_long_places, EXACT, (TypeIs(1, ("int32",)),)),
    Rule("Slice", _sliced_backwards, EXACT, (NegativeConstant(4),)),
    Rule("Slice", _sliced_in_order, EXACT, (UnorderedAxes(3),)),
    Rule("EyeLike", _eye_like),
    Rule("Trilu", _triangle),
    Rule("Compress", _compress),
    Rule("Gather", _one_of_a_shape, EXACT, (PicksOne(),)),
)
