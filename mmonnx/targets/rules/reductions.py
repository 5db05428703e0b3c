"""Operators that bring axes down to one number, or to the place of one."""

from typing import Callable, List, Optional, Sequence

from ..conditions import GivenInput, Missing, RestBehind, TypeIs, Unordered
from .base import EXACT, ROUNDING, Node, Result, Rule, Tensor, absolute, cast, constant, op, reshaped, size, sliced

_MOST = 64
"""Elements that are multiplied one by one."""
_MOST_AXES = 8
"""PPLNN has no tensors of more."""


def _axes(node: Node) -> Optional[List[int]]:
    """The axes of a reduction; all of them where none are given."""
    rank = node.rank()
    if node.has("axes") or node.given(1) is not None:
        return node.axes()
    if node.attribute("noop_with_empty_axes"):
        return []
    return None if rank is None else list(range(rank))


def _kept(node: Node) -> int:
    return int(node.attribute("keepdims", 1))


def _l1(node: Node) -> Result:
    axes = _axes(node)
    return None if axes is None else node.reduce("ReduceSum", absolute(node[0]), axes, _kept(node))


def _l2(node: Node) -> Result:
    total = _sum_of_squares(node)
    return None if total is None else op("Sqrt", total)


def _sum_of_squares(node: Node) -> Optional[Tensor]:
    axes = _axes(node)
    return None if axes is None else node.reduce("ReduceSum", node[0] * node[0], axes, _kept(node))


def _log_sum(node: Node) -> Result:
    axes = _axes(node)
    return None if axes is None else op("Log", node.reduce("ReduceSum", node[0], axes, _kept(node)))


def _log_sum_exp(node: Node) -> Result:
    axes = _axes(node)
    if axes is None:
        return None
    # without the largest number Exp would overflow
    largest = node.reduce("ReduceMax", node[0], axes)
    total = node.reduce("ReduceSum", op("Exp", node[0] - largest), axes, _kept(node))
    if not _kept(node):
        largest = node.squeeze(largest, axes)
    return op("Log", total) + largest


def _log_softmax(node: Node) -> Result:
    rank, axis = node.rank(), node.axis(default=-1 if node.opset >= 13 else 1)
    if rank is None or axis is None:
        return None
    axes = [axis] if node.opset >= 13 else list(range(axis, rank))
    moved = node[0] - node.reduce("ReduceMax", node[0], axes)
    return moved - op("Log", node.reduce("ReduceSum", op("Exp", moved), axes))


def _arg_min(node: Node) -> Result:
    if node.attribute("select_last_index"):
        return None
    return op("ArgMax", 0 - node[0], **node.attributes("axis", "keepdims"))


def _of_pictures(operator: str) -> Callable[[Node], Result]:
    """A reduction over all axes behind the channels."""

    def write(node: Node) -> Result:
        rank = node.rank()
        return None if rank is None else node.reduce(operator, node[0], range(2, rank))

    return write


def _of_all_axes(node: Node) -> Result:
    axes = _axes(node)
    return None if axes is None else node.reduce(node.operator, node[0], axes, _kept(node))


def _sum_by_mean(node: Node) -> Result:
    # the axes of a mean are an attribute up to opset 17
    axes = node.axes()
    if not axes or node.opset > 17:
        return None
    count = size(node[0], axes[0])
    for axis in axes[1:]:
        count = count * size(node[0], axis)
    mean = op("ReduceMean", node[0], axes=axes, keepdims=_kept(node))
    return mean * op("Gather", cast(count, "float32"), constant(0), axis=0)


def _with_one_apart(node: Node) -> Result:
    """Along one more axis, of one element, that the others do not follow: PPLNN then adds up row by row."""
    axes, rank = node.axes(), node.rank()
    if not axes or rank is None:
        return None
    front = 1 if axes[0] else 2
    if rank + front > _MOST_AXES:
        return None
    sizes = [size(node[0], axis) for axis in range(rank)]
    ones = [constant([1])] * front
    moved = [0, *(axis + front for axis in axes)]
    found = node.reduce(node.operator, _viewed(node, node[0], [*ones, *sizes], front), moved, _kept(node))
    left = front if _kept(node) else front - 1
    lengths = enumerate(sizes) if _kept(node) else ((axis, sizes[axis]) for axis in range(rank) if axis not in axes)
    rest = [constant([1]) if axis in axes else length for axis, length in lengths]
    return _viewed(node, found, rest, -left) if left else found


def _viewed(node: Node, x: Tensor, sizes: Sequence[Tensor], more: int) -> Tensor:
    """With so many axes of one element more at the front, or fewer; of these sizes then."""
    if node.opset >= 13:  # PPLNN has no Unsqueeze any more
        return reshaped(x, *sizes)
    return node.unsqueeze(x, range(more)) if more > 0 else node.squeeze(x, range(-more))


def _product(node: Node) -> Result:
    axes, sizes, x = _axes(node), node.sizes(), node[0]
    if axes is None or sizes is None:
        return None
    for axis in axes:
        count = sizes[axis]
        if count is None or not 0 < count <= _MOST:
            return None
        parts = [sliced(x, axis, index, index + 1) for index in range(count)]
        x = parts[0]
        for part in parts[1:]:
            x = x * part
    return x if _kept(node) else node.squeeze(x, axes)


def _element_count(node: Node) -> Result:
    return op("ReduceProd", op("Shape", node[0]), keepdims=0)


def _unit_length(node: Node) -> Result:
    rank, axis = node.rank(), node.axis(default=-1)
    if rank is None or axis is None:
        return None
    if node.attribute("p") == 1:
        return node[0] / node.reduce("ReduceSum", absolute(node[0]), [axis])
    return node[0] / op("Sqrt", node.reduce("ReduceSum", node[0] * node[0], [axis]))


def _soft_max_across(node: Node) -> Result:
    rank, axis = node.rank(), node.axis(default=-1)
    if rank is None or axis is None:
        return None
    order = [other for other in range(rank) if other != axis] + [axis]
    back = [order.index(other) for other in range(rank)]
    turned = op("Softmax", op("Transpose", node[0], perm=order), axis=-1)
    return op("Transpose", turned, perm=back)


def _with_axis(node: Node) -> Result:
    # before opset 13 the default is 1
    return op(node.operator, node[0], axis=1) if node.opset < 13 else op(node.operator, node[0], axis=-1)


RULES = (
    *(Rule(name, _with_axis, EXACT, (Missing("axis"),)) for name in ("Softmax", "LogSoftmax")),
    Rule("ReduceL1", _l1, ROUNDING),
    Rule("ReduceL2", _l2, ROUNDING),
    Rule("ReduceSumSquare", _sum_of_squares, ROUNDING),
    Rule("ReduceLogSum", _log_sum, ROUNDING),
    Rule("ReduceLogSumExp", _log_sum_exp, ROUNDING),
    Rule("LogSoftmax", _log_softmax, ROUNDING),
    Rule("ArgMin", _arg_min),
    Rule("GlobalMaxPool", _of_pictures("ReduceMax")),
    Rule("GlobalAveragePool", _of_pictures("ReduceMean"), ROUNDING),
    Rule("ReduceMean", _of_all_axes, ROUNDING, (Missing("axes", 1),)),
    Rule("ReduceSum", _sum_by_mean, ROUNDING, (GivenInput(1), TypeIs(0, ("float32",)))),
    *(
        Rule(name, _of_all_axes, ROUNDING, (Unordered(),))
        for name in ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum")
    ),
    *(
        Rule(name, _with_one_apart, ROUNDING, (RestBehind(25, 32),))
        for name in ("ReduceMean", "ReduceMin", "ReduceSum")
    ),
    Rule("ReduceProd", _product, ROUNDING, (TypeIs(0, ("float32", "float64")),)),
    Rule("Size", _element_count),
    Rule("LpNormalization", _unit_length, ROUNDING),
    Rule("Softmax", _soft_max_across, ROUNDING),
)
