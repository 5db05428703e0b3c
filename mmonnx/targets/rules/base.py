"""What a rule is made of: the node that it stands for, and tensors that are written as expressions.

    def softsign(node: Node) -> Tensor:
        return node[0] / (1 + absolute(node[0]))

An expression is data alone; ``mmonnx.graph`` makes nodes of it.
"""

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from ..conditions import Condition, Operand, View

EXACT = "exact"
"""The same numbers, to the last bit; the sign of a zero may be another."""
ROUNDING = "within rounding"
"""The same but for the last bits of floating-point numbers."""
LIMITED = "exact for whole numbers up to 2**24"
"""Whole numbers that are floats of 32 bits in between."""

_BOOLEAN = {"And", "Equal", "Greater", "Less", "Not", "Or"}
_WHOLE = {"ArgMax", "NonZero", "Shape"}
_OF_SECOND = {"Where"}
ELEMENT = {"bool": 9, "float32": 1, "float64": 11, "int32": 6, "int64": 7, "uint8": 2}
"""ONNX's numbers of types, by numpy's names."""
_ARITHMETIC: Dict[str, Callable[..., np.ndarray]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.floor_divide,
}

Item = Union["Tensor", int, float]


@dataclass(frozen=True, eq=False)
class Call:
    """An operator at work: its name as targets' tables have it, what it reads, its attributes."""

    operator: str
    inputs: Tuple[Optional["Tensor"], ...]
    attributes: Dict[str, Any]
    outputs: int = 1


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of a body.

    Attributes:
        dtype: numpy's name of its element type, empty if it is unknown.
        call: what makes it; None for a constant, or for what the node reads.
        index: which output of its call it is, or which input of the node.
        array: the elements of a constant.
        known: what is known of an input of the node, or of a tensor around it.
        name: of a tensor that the graph has outside of a node's body.
    """

    dtype: str
    call: Optional[Call] = None
    index: int = 0
    array: Optional[np.ndarray] = None
    known: Optional[Operand] = None
    name: str = ""

    def __add__(self, other: Item) -> "Tensor":
        return op("Add", self, other)

    def __radd__(self, other: Item) -> "Tensor":
        return op("Add", like(self, other), self)

    def __sub__(self, other: Item) -> "Tensor":
        return op("Sub", self, other)

    def __rsub__(self, other: Item) -> "Tensor":
        return op("Sub", like(self, other), self)

    def __mul__(self, other: Item) -> "Tensor":
        return op("Mul", self, other)

    def __rmul__(self, other: Item) -> "Tensor":
        return op("Mul", like(self, other), self)

    def __truediv__(self, other: Item) -> "Tensor":
        return op("Div", self, other)

    def __rtruediv__(self, other: Item) -> "Tensor":
        return op("Div", like(self, other), self)


Result = Union[None, Tensor, Sequence[Tensor]]


@dataclass(frozen=True, eq=False)
class Extended:
    """The graph that the node has in an attribute, and more: the value of the same attribute of a ``Call``.

    Attributes:
        inputs: further inputs, each made by ``entered``.
        kept: the places of its outputs that stay, before the further ones.
        outputs: further outputs.
    """

    inputs: Tuple[Tensor, ...]
    kept: Tuple[int, ...]
    outputs: Tuple[Tensor, ...]


def entered(dtype: str) -> Tensor:
    """A further input of a graph."""
    return Tensor(dtype, Call("", (), {}))


def inside(name: str, dtype: str) -> Tensor:
    """A tensor that a graph of the node has."""
    return Tensor(dtype, name=name)


def op(operator: str, *inputs: Optional[Item], **attributes: Any) -> Tensor:
    """The first output of an operator; numbers among the inputs become constants of the first tensor's type."""
    return outputs(operator, 1, *inputs, **attributes)[0]


def outputs(operator: str, count: int, *inputs: Optional[Item], **attributes: Any) -> List[Tensor]:
    """All outputs of an operator that has several; each has the type of the first input, but for indices."""
    first = next(item for item in inputs if isinstance(item, Tensor))
    given = tuple(item if item is None or isinstance(item, Tensor) else like(first, item) for item in inputs)
    folded = _folded(operator, given)
    if folded is not None:
        return [folded]
    call = Call(operator, given, attributes, count)
    dtype = first.dtype
    if operator in _BOOLEAN:
        dtype = "bool"
    elif operator in _WHOLE:
        dtype = "int64"
    elif operator in _OF_SECOND:
        second = given[1]
        dtype = second.dtype if second is not None else ""
    return [Tensor("int64" if operator == "TopK" and index else dtype, call, index) for index in range(count)]


def _folded(operator: str, given: Sequence[Optional[Tensor]]) -> Optional[Tensor]:
    """What whole numbers that are known give."""
    arrays = [item.array for item in given if item is not None and item.array is not None]
    if operator not in _ARITHMETIC or len(arrays) < len(given) or arrays[0].dtype.kind != "i":
        return None
    return Tensor(arrays[0].dtype.name, array=_ARITHMETIC[operator](*arrays))


class UnknownType(Exception):
    """A body needs a constant of a type that is not known."""


def constant(value: Any, dtype: str = "int64") -> Tensor:
    """A constant; raises ``UnknownType`` if the type is an empty name."""
    if not dtype:
        raise UnknownType
    return Tensor(dtype, array=np.asarray(value, np.dtype(dtype)))


def like(tensor: Tensor, value: Item) -> Tensor:
    """A number as a constant of a tensor's type."""
    return value if isinstance(value, Tensor) else constant(value, tensor.dtype)


def cast(tensor: Tensor, dtype: str) -> Tensor:
    """The same numbers in another type."""
    if tensor.dtype == dtype:
        return tensor
    call = Call("Cast", (tensor,), {"to": ELEMENT[dtype]})
    return Tensor(dtype, call)


def where(condition: Tensor, first: Tensor, second: Item) -> Tensor:
    """One of two, element by element."""
    return op("Where", condition, first, like(first, second))


def bounded(x: Tensor, low: Optional[Item] = None, high: Optional[Item] = None) -> Tensor:
    """No element below a bound, nor above another; None for no bound."""
    if low is not None:
        x = where(op("Less", x, low), like(x, low), x)
    if high is not None:
        x = where(op("Greater", x, high), like(x, high), x)
    return x


def absolute(x: Tensor) -> Tensor:
    """Without the sign."""
    return where(op("Less", x, 0), 0 - x, x)


class Node:
    """A node as a rule sees it: ``node[0]`` is its first input as a tensor.

    Args:
        view: the node, as conditions see it.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self.operator = view.operator
        self.opset = view.opset
        self.output_count = view.output_count
        self.inputs = [
            None if known is None else Tensor(known.dtype, index=index, known=known)
            for index, known in enumerate(view.inputs)
        ]

    def __getitem__(self, index: int) -> Tensor:
        found = self.given(index)
        assert found is not None, f"the operator has no input {index}"
        return found

    def given(self, index: int) -> Optional[Tensor]:
        """An input, None if it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def outer(self, name: str) -> Optional[Tensor]:
        """A tensor that the graph has before this node, which the node's own graphs may read."""
        known = self._view.lookup(name)
        return None if known is None else Tensor(known.dtype, known=known, name=name)

    def attribute(self, name: str, default: Any = None) -> Any:
        """The value of an attribute, its default if it is not set."""
        found = self._view.attribute(name)
        return default if found is None else found

    def has(self, name: str) -> bool:
        """Whether an attribute is set."""
        return self._view.has(name)

    def attributes(self, *names: str) -> Dict[str, Any]:
        """Those of some attributes that are set, with their values."""
        return {name: self.attribute(name) for name in names if self.has(name)}

    def rank(self, index: int = 0) -> Optional[int]:
        """The rank of an input, None if it is unknown."""
        known = self._view.input(index)
        return None if known is None else known.rank

    def sizes(self, index: int = 0) -> Optional[List[Optional[int]]]:
        """The size of each axis of an input, None for one that is not known; None if the rank is not."""
        known = self._view.input(index)
        return None if known is None else known.sizes()

    def sizes_in(self, index: int) -> Optional[List[Optional[int]]]:
        """The elements of an input that is a shape, None for one that is not known; None if it is not followed."""
        known = self._view.input(index)
        return None if known is None else known.whole()

    def array(self, index: int) -> Optional[np.ndarray]:
        """The elements of an input that is a constant."""
        known = self._view.input(index)
        return None if known is None else known.array()

    def axes(self, index: int = 1) -> Optional[List[int]]:
        """The axes of an operator, an attribute or, from some opset on, an input: counted from 0, and in order."""
        rank, found = self.rank(), self.attribute("axes")
        if found is None and self.given(index) is not None:
            array = self.array(index)
            found = None if array is None else array.reshape(-1).tolist()
        return None if found is None or rank is None else sorted(int(axis) % max(rank, 1) for axis in found)

    def axis(self, default: int = 0) -> Optional[int]:
        """The attribute ``axis``, not negative; None if the rank is not known."""
        rank = self.rank()
        return None if rank is None else int(self.attribute("axis", default)) % max(rank, 1)

    # the same operators in the form that the file's opset has

    def unsqueeze(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        """With axes of size 1 at these places."""
        return self._with_axes("Unsqueeze", x, axes, 13)

    def squeeze(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        """Without these axes of size 1."""
        return self._with_axes("Squeeze", x, axes, 13)

    def reduce(self, operator: str, x: Tensor, axes: Sequence[int], keepdims: int = 1) -> Tensor:
        """ReduceSum, ReduceMean or ReduceMax along axes; with no axes the tensor itself."""
        if not axes:
            return x
        return self._with_axes(operator, x, axes, 13 if operator == "ReduceSum" else 18, keepdims=keepdims)

    def split(self, x: Tensor, sizes: Sequence[int], axis: int) -> List[Tensor]:
        """Parts of these sizes."""
        if self.opset >= 13:
            return outputs("Split", len(sizes), x, constant(sizes), axis=axis)
        return outputs("Split", len(sizes), x, axis=axis, split=list(sizes))

    def _with_axes(self, operator: str, x: Tensor, axes: Sequence[int], inputs_from: int, **others: Any) -> Tensor:
        if self.opset >= inputs_from:
            return op(operator, x, constant(list(axes)), **others)
        return op(operator, x, axes=list(axes), **others)


def size(x: Tensor, axis: int) -> Tensor:
    """The size of an axis, as a vector of one."""
    known = x.known.sizes() if x.known is not None else None
    number = known[axis] if known is not None else None
    if number is not None:
        return constant([number])
    # not Gather: PPLNN makes a scalar of it
    return one_of(op("Shape", x), axis)


def one_of(vector: Tensor, index: int) -> Tensor:
    """One element of a vector, as a vector of one."""
    return op("Slice", vector, constant([index]), constant([index + 1]), constant([0]))


def joined(parts: Sequence[Tensor], axis: int = 0) -> Tensor:
    """One after the other."""
    return parts[0] if len(parts) == 1 else op("Concat", *parts, axis=axis)


def reshaped(x: Tensor, *parts: Union[Tensor, int]) -> Tensor:
    """In another shape: numbers, and vectors such as ``size`` gives; -1 for the rest."""
    vectors = [constant([part]) if isinstance(part, int) else part for part in parts]
    arrays = [vector.array for vector in vectors if vector.array is not None]
    if len(arrays) == len(vectors):
        return op("Reshape", x, constant([number for array in arrays for number in array]))
    return op("Reshape", x, joined(vectors))


def sliced(x: Tensor, axis: int, start: int, end: int, step: int = 1) -> Tensor:
    """A part along an axis."""
    return op("Slice", x, constant([start]), constant([end]), constant([axis]), constant([step]))


def counted(length: Tensor) -> Tensor:
    """0, 1, 2 and so on: as many as a vector of one says."""
    if length.array is not None:
        return constant(np.arange(int(length.array[0])))
    number = op("Gather", length, constant(0), axis=0)
    return Tensor("int64", Call("Range", (constant(0), number, constant(1)), {}))


@dataclass(frozen=True)
class Rule:
    """How to write an operator, or a form of it, in others.

    Attributes:
        operator: its name, as targets' tables have it.
        write: makes what stands for the node: a tensor for each output; None if it cannot be told for this node.
        exact: what the new numbers have in common with the old ones: ``EXACT``, ``ROUNDING`` or ``LIMITED``.
        when: the conditions, all of which hold of a node that it is meant for; none for every node.
    """

    operator: str
    write: Callable[[Node], Result]
    exact: str = EXACT
    when: Tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Rules:
    """Rules by operator, in the order in which they are tried."""

    rules: Tuple[Rule, ...]
    _by_operator: Mapping[str, List[Rule]] = field(init=False)

    def __post_init__(self) -> None:
        found: Dict[str, List[Rule]] = {}
        for rule in self.rules:
            found.setdefault(rule.operator, []).append(rule)
        object.__setattr__(self, "_by_operator", found)

    def of(self, operator: str) -> Sequence[Rule]:
        """Those of an operator."""
        return self._by_operator.get(operator, ())
