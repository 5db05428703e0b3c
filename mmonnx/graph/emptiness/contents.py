"""The numbers in short tensors: shapes, counts and what is made of them; and numbers that are certainly in a tensor."""

import operator
from dataclasses import replace
from typing import Callable, Dict, FrozenSet, Optional, Tuple

import numpy as np
import onnx

from .rows import counts
from .sizes import Size, add, divide, greatest, multiply, node_cause, smallest, subtract, uncertain
from .slicing import shape_slice, slice_cuts
from .values import Step, Value

Contents = Tuple[Optional[Tuple[Size, ...]], Size]

# Each takes two numbers and the node's name.
_ARITHMETIC: Dict[str, Callable[[Size, Size, str], Size]] = {
    "Add": lambda left, right, name: add([left, right], name),
    "Sub": subtract,
    "Mul": lambda left, right, name: multiply([left, right]),
    "Div": divide,
    "Min": lambda left, right, name: smallest([left, right]),
    "Max": lambda left, right, name: greatest([left, right], name),
}
_ON_NUMBERS: Dict[str, Callable[[float, float], float]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Equal": operator.eq,
    "Greater": operator.gt,
    "GreaterOrEqual": operator.ge,
    "Less": operator.lt,
    "LessOrEqual": operator.le,
}
_MOVING = frozenset(["Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze", "Cast", "Expand", "Tile"])


def contents(step: Step, index: int = 0) -> Contents:
    """The elements of one of a node's outputs, where they are followed, and what holds of all of them."""
    kind = step.view.node.op_type
    if kind == "Split":
        return _divided(step, index)
    if index:
        return None, _mixed(step)
    if kind == "Shape":
        return _shape(step)
    if kind in _MOVING:
        return step.value(0).elements(), step.value(0).bound
    if kind in ("Concat", "Gather", "Slice"):
        return _rearranged(step)
    if kind in _ARITHMETIC and len(step.inputs) == 2:
        return _arithmetic(step, _ARITHMETIC[kind])
    if kind == "Where":
        return _where(step)
    first = step.value(0)
    if kind == "ReduceProd" and first.items is not None:
        product = multiply(first.items)
        return (product,), product
    if kind == "ReduceMax" and step.value(0).bound.causes and _reduces_all(step):
        count = Size(int(max(step.value(0).holds, default=0)), node_cause(step.name))
        return (count,), count
    counted = counts(step)
    if counted is not None:
        return counted, _mixed(step)
    return None, _mixed(step)


def _divided(step: Step, index: int) -> Contents:
    items, sizes = step.value(0).elements(), step.attribute("split") or step.value(1).numbers()
    if items is None or sizes is None:
        return None, replace(step.value(0).bound, exact=None)
    start = sum(sizes[:index])
    return items[start : start + sizes[index]], step.value(0).bound


def _reduces_all(step: Step) -> bool:
    return step.value(0).rank == 1 or (step.attribute("axes") is None and not step.value(1).dtype)


def _shape(step: Step) -> Contents:
    value = step.value(0)
    if value.dims is None:
        return None, uncertain(step.name, value.loose) if value.loose else Size()
    sizes = value.dims[shape_slice(step)]
    return sizes, replace(smallest(sizes), exact=None) if sizes else Size()


def _rearranged(step: Step) -> Contents:
    kind, bound = step.view.node.op_type, step.value(0).bound
    parts = [value.elements() for value in step.inputs if value is not None]
    if kind == "Concat":
        causes = frozenset().union(*(value.bound.causes for value in step.inputs if value is not None))
        low = min(value.bound.low for value in step.inputs if value is not None)
        known = [part for part in parts if part is not None]
        whole = None if len(known) < len(parts) else tuple(item for part in known for item in part)
        return whole, Size(low, causes)
    items = parts[0]
    if items is None:
        return None, replace(bound, exact=None)
    if kind == "Gather":
        index = step.value(1).numbers()
        if index is None:
            return None, bound
        return tuple(items[number] for number in index if -len(items) <= number < len(items)), bound
    cuts = slice_cuts(step)
    if not cuts or None in (cuts[0][1].exact, cuts[0][2].exact):
        return None, bound
    _, start, end, stride = cuts[0]
    return items[start.exact : end.exact : stride], bound


def _arithmetic(step: Step, function: Callable[[Size, Size, str], Size]) -> Contents:
    left, right = (step.value(index) for index in range(2))
    bound = function(left.bound, right.bound, step.name)
    one, two = left.elements(), right.elements()
    if one is None or two is None:
        return None, replace(bound, exact=None)
    length = max(len(one), len(two))
    if any(len(part) not in (1, length) for part in (one, two)):
        return None, replace(bound, exact=None)
    first, second = (part * length if len(part) == 1 else part for part in (one, two))
    return tuple(function(*pair, step.name) for pair in zip(first, second)), bound


def _where(step: Step) -> Contents:
    """A Where is a minimum or a maximum if its condition compares what it chooses from."""
    condition, *chosen = step.view.node.input
    asked = step.producers.get(condition, onnx.NodeProto())
    if asked.op_type in ("Less", "Greater") and sorted(asked.input) == sorted(chosen):
        least = (list(asked.input) == chosen) == (asked.op_type == "Less")
        pick = _ARITHMETIC["Min" if least else "Max"]
        view = replace(step.view, inputs=step.view.inputs[1:])
        return _arithmetic(replace(step, view=view), pick)
    if asked.op_type == "Equal" and chosen[1] in asked.input:
        replaced = _replaced(step, asked)
        if replaced is not None:
            return replaced, replace(smallest(replaced), exact=None)
    for index in (0, 1):
        least = _least_chosen(step, asked, index)
        if least is not None:
            chosen_size, other = step.value(1 + index).item(), step.value(2 - index).item()
            size = Size(min(least, other.low), chosen_size.causes | other.causes)
            return (size,), size
    return None, _mixed(step)


def _replaced(step: Step, asked: onnx.NodeProto) -> Optional[Tuple[Size, ...]]:
    """What a Where gives that replaces the elements of one value, as torch does in the shape of an expand."""
    value = asked.input[1 if asked.input[0] == step.view.node.input[2] else 0]
    wanted = step.values.get(value, Value())
    parts = [part.elements() for part in (wanted, step.value(1), step.value(2))]
    length = len(parts[2] or ())
    known = [part for part in parts if part is not None and len(part) in (1, length)]
    if not length or len(known) < len(parts):
        return None
    found = []
    for one, instead, size in zip(*(part * length if len(part) == 1 else part for part in known)):
        if one.exact is None or (size.exact is None and size.low <= one.exact):
            return None
        found.append(instead if size.exact == one.exact else size)
    return tuple(found)


def _least_chosen(step: Step, asked: onnx.NodeProto, index: int) -> Optional[int]:
    """What the first (0) or second choice of a Where is at least, where its condition compares it with a number."""
    name = step.view.node.input[1 + index]
    if asked.op_type not in ("Less", "Greater") or name not in asked.input:
        return None
    first = asked.input[0] == name
    number = step.values.get(asked.input[1 if first else 0], Value()).item().exact
    greater = first == (asked.op_type == "Greater")
    # chosen where the comparison holds, or where it does not
    if number is None or greater != (index == 0):
        return None
    return number + 1 if greater else number


def _mixed(step: Step) -> Size:
    """What is known of numbers that some operator makes: whether the data decide them."""
    data = any(value is not None and value.bound.causes for value in step.inputs)
    return uncertain(step.name) if data or not step.inputs else Size()


def holds(step: Step, output: Value) -> FrozenSet[float]:
    """The numbers that certainly are among the elements of a node's first output."""
    kind, first = step.view.node.op_type, step.value(0).holds
    if kind == "Concat":
        return frozenset().union(*(value.holds for value in step.inputs if value is not None))
    if output.empty_if:
        return frozenset()
    if kind == "Cast":
        return frozenset(_cast(number, output.dtype) for number in first)
    if kind == "Not":
        return frozenset(float(not number) for number in first)
    if kind in _MOVING:
        return first
    if kind == "Pad":
        return _padded(step)
    if kind == "ConstantOfShape":
        fill = step.attribute("value")
        return frozenset([0.0 if fill is None else float(onnx.numpy_helper.to_array(fill).reshape(-1)[0])])
    if kind in _ON_NUMBERS:
        return _compared(step, _ON_NUMBERS[kind])
    return frozenset()


def _padded(step: Step) -> FrozenSet[float]:
    pads = step.attribute("pads") or step.value(1).numbers() or []
    if not any(pads) or min(pads) < 0 or step.attribute("mode") != "constant":
        return frozenset()
    fill = step.value(2).scalar() if step.value(2).dtype else step.attribute("value", 0.0)
    return step.value(0).holds | (frozenset() if fill is None else {fill})


def _compared(step: Step, function: Callable[[float, float], float]) -> FrozenSet[float]:
    left, right = step.value(0), step.value(1)
    second = right.scalar()
    if second is not None:
        return frozenset(float(function(number, second)) for number in left.holds)
    first = left.scalar()
    if first is not None:
        return frozenset(float(function(first, number)) for number in right.holds)
    return frozenset()


def _cast(number: float, dtype: str) -> float:
    if dtype == "bool":
        return float(number != 0)
    return float(int(number)) if dtype.startswith(("int", "uint")) and np.isfinite(number) else number
