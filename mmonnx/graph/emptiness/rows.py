"""Rows that are certainly at the end of a tensor: dummies that somebody added so that no group of rows is empty.

They are followed through everything that treats each row by itself, up to the counts of the rows of each group.
"""

from typing import List, Optional, Tuple

import numpy as np
import onnx

from .evaluate import evaluate
from .sizes import Count, Size, node_cause
from .values import Rows, Step, Value

_EACH = frozenset(
    ["Abs", "Add", "And", "Cast", "Ceil", "Clip", "Div", "Equal", "Exp", "Floor", "Greater", "Identity", "Less", "Log"]
    + ["Max", "Min", "Mul", "Neg", "Not", "Or", "Pow", "Relu", "Sigmoid", "Sqrt", "Sub", "Where"]
)
_MOST = 64


def known_rows(step: Step) -> Optional[Rows]:
    """The rows that are certainly at the end of a node's first output, along the axis that was concatenated."""
    kind = step.view.node.op_type
    if kind == "Concat":
        return _concatenated(step)
    given = [value for value in step.inputs if value is not None]
    tails = [value.rows for value in given if value.rows is not None]
    if not tails or any(value.rows is None and value.tensor is None for value in given):
        return None
    axis = _axis(step, tails[0])
    if axis is None:
        return None
    length = min(tail.array.shape[tail.axis] for tail in tails)
    result = evaluate(step, [value if value is None else _last(value, length) for value in step.inputs])
    return None if result is None else Rows(axis, result, _is_nested(step))


def counts(step: Step) -> Optional[Tuple[Size, ...]]:
    """How many rows each group has, of which the known ones are a part: what a ReduceSum over the rows gives."""
    value = step.value(0)
    rows = value.rows
    if step.view.node.op_type != "ReduceSum" or rows is None or not rows.nested or value.dims is None:
        return None
    if len(value.dims) != 2 or rows.axis != 1 or step.axes(2) != [1]:
        return None
    over, total = value.dims[1], rows.array.shape[1]
    parts = [int(part) for part in rows.array.sum(1)]
    return tuple(Size(part, node_cause(step.name), None, Count(step.name, part, total, over.low)) for part in parts)


def _concatenated(step: Step) -> Optional[Rows]:
    values = [value for value in step.inputs if value is not None]
    last, ranks = values[-1], {value.rank for value in values}
    if None in ranks or len(ranks) != 1 or 0 in ranks or (len(values) == 1):
        return None
    axis = step.attribute("axis") % values[0].rank
    tails = [value.rows for value in values if value.rows is not None]
    if len(tails) == len(values) and all(tail.axis != axis for tail in tails):
        if len({tail.array.shape[tail.axis] for tail in tails}) > 1:
            return None
        return Rows(tails[0].axis, np.concatenate([tail.array for tail in tails], axis))
    if last.rows is not None and last.rows.axis == axis:
        return last.rows
    if last.tensor is None or not 0 < last.tensor.dims[axis] <= _MOST:
        return None
    return Rows(axis, onnx.numpy_helper.to_array(last.tensor))


def _axis(step: Step, tail: Rows) -> Optional[int]:
    """Where the axis of the rows is in the output; None if the operator does not treat each row by itself."""
    kind, first, rank = step.view.node.op_type, step.value(0), tail.array.ndim
    if kind in _EACH:
        given = [value for value in step.inputs if value is not None]
        tails = [value.rows for value in given if value.rows is not None]
        constants = [value.tensor.dims for value in given if value.rows is None and value.tensor is not None]
        ranks = [rows.array.ndim for rows in tails] + [len(dims) for dims in constants]
        behind = {rows.array.ndim - rows.axis for rows in tails}
        if len(behind) > 1 or any(len(dims) >= min(behind) and dims[-min(behind)] != 1 for dims in constants):
            return None
        return max(ranks) - min(behind)
    if kind == "Gather":
        axis = step.attribute("axis", 0) % max(first.rank or 1, 1)
        if first.rows is None:  # a table read by the rows
            return axis + tail.axis
        index = step.value(1).rank
        if axis == tail.axis or index is None or step.value(1).rows is not None:
            return None
        return tail.axis if axis > tail.axis else tail.axis + index - 1
    if kind in ("Unsqueeze", "Squeeze") and first.rows is tail:
        return _shifted(step, tail, rank)
    if kind == "Slice" and first.rows is tail:
        axes = step.value(3).numbers() if step.value(3).dtype else step.attribute("axes", [0])
        return tail.axis if axes is not None and tail.axis not in [axis % rank for axis in axes] else None
    return None


def _shifted(step: Step, tail: Rows, rank: int) -> Optional[int]:
    raw = step.attribute("axes") or step.value(1).numbers()
    if raw is None:
        return None
    if step.view.node.op_type == "Squeeze":
        axes = [axis % rank for axis in raw]
        return None if tail.axis in axes else tail.axis - sum(axis < tail.axis for axis in axes)
    axes = [axis % (rank + len(raw)) for axis in raw]
    free = [axis for axis in range(rank + len(raw)) if axis not in axes]
    return free[tail.axis]


def _last(value: Value, length: int) -> Optional[np.ndarray]:
    if value.rows is None:
        return value.array()
    rows = value.rows
    return rows.array.take(range(rows.array.shape[rows.axis] - length, rows.array.shape[rows.axis]), rows.axis)


def _is_nested(step: Step) -> bool:
    """Whether each row of a mask (G, K) has what the one before has: a comparison with growing bounds (G, 1)."""
    kind = step.view.node.op_type
    if kind in ("Cast", "Identity"):
        rows = step.value(0).rows
        return rows is not None and rows.nested
    bounds = step.value(1).array() if kind == "Less" and step.value(1).rows is None else None
    return bounds is not None and bounds.ndim == 2 and bounds.shape[1] == 1 and _grow(bounds.ravel().tolist())


def _grow(numbers: List[float]) -> bool:
    return all(before <= after for before, after in zip(numbers, numbers[1:]))
