"""What a form that a target refuses is made of: small conditions on one node, all of them plain data."""

from dataclasses import dataclass
from math import gcd, prod
from typing import Any, Iterator, List, Optional, Protocol, Sequence, Tuple

SHAPING = ("Identity", "Squeeze", "Unsqueeze", "Reshape", "Flatten")
"""Operators that hand on the elements of their input as they are."""


class Operand(Protocol):
    """What a condition can ask of one input of a node.

    Attributes:
        dtype: numpy's name of the element type, empty if it is unknown.
        rank: None if it is unknown.
    """

    @property
    def dtype(self) -> str: ...

    @property
    def rank(self) -> Optional[int]: ...

    def array(self) -> Any:
        """Its elements if it is a constant, None otherwise."""

    def sizes(self) -> Optional[List[Optional[int]]]:
        """The size of each axis, None for one that is not known; None if the rank is not."""

    def whole(self) -> Optional[List[Optional[int]]]:
        """The elements of a short vector of whole numbers, None for one that is not known; None if it is no such."""


class View(Protocol):
    """What a condition can ask of a node.

    Attributes:
        operator: its type.
        opset: the opset of its domain in the model.
        inputs: one per input; None for an optional one that is left out.
        output_count: how many outputs it has.
    """

    @property
    def operator(self) -> str: ...

    @property
    def output_count(self) -> int: ...

    @property
    def opset(self) -> int: ...

    @property
    def inputs(self) -> Sequence[Optional[Operand]]: ...

    def attribute(self, name: str) -> Any:
        """The value of an attribute, its default if it is not set, None if there is none; strings as str."""

    def same(self, first: int, second: int) -> bool:
        """Whether two inputs are one tensor."""

    def shared(self, index: int) -> bool:
        """Whether an input is made by a node of the same graph, and is read elsewhere or given by the graph as well."""

    def lookup(self, name: str) -> Optional[Operand]:
        """What is known of a tensor by its name, None if it comes later or not at all."""

    def source(self, index: int) -> Optional["View"]:
        """The node that makes an input, None if none of the same graph does; of its inputs no more than these."""

    def has(self, name: str) -> bool:
        """Whether an attribute is set."""

    def input(self, index: int) -> Optional[Operand]:
        """An input, None if it is not given."""


class Condition:
    """Something that holds of a node or does not; what is not known does not hold."""

    def holds(self, view: View) -> bool:
        """Whether it holds of a node."""
        raise NotImplementedError


@dataclass(frozen=True)
class Is(Condition):
    """The attribute, or its default, is one of these values."""

    name: str
    values: Tuple[Any, ...]

    def holds(self, view: View) -> bool:
        return view.attribute(self.name) in self.values


@dataclass(frozen=True)
class IsNot(Condition):
    """The attribute, or its default, is none of these values; it may not exist at all."""

    name: str
    values: Tuple[Any, ...]

    def holds(self, view: View) -> bool:
        return view.attribute(self.name) not in self.values


@dataclass(frozen=True)
class Given(Condition):
    """At least one of these attributes is set."""

    names: Tuple[str, ...]

    def holds(self, view: View) -> bool:
        return any(view.has(name) for name in self.names)


@dataclass(frozen=True)
class Missing(Condition):
    """The attribute is not set, nor is the input that newer opsets have in its place."""

    name: str
    input: Optional[int] = None

    def holds(self, view: View) -> bool:
        return not view.has(self.name) and (self.input is None or view.input(self.input) is None)


@dataclass(frozen=True)
class TypeIs(Condition):
    """An input has one of these types, as numpy names them."""

    index: int
    types: Tuple[str, ...]

    def holds(self, view: View) -> bool:
        operand = view.input(self.index)
        return operand is not None and operand.dtype in self.types


@dataclass(frozen=True)
class AnyElement(Condition):
    """The attribute is set, and one of its elements is not this number."""

    name: str
    unlike: int

    def holds(self, view: View) -> bool:
        return any(element != self.unlike for element in view.attribute(self.name) or ())


@dataclass(frozen=True)
class Asymmetric(Condition):
    """The padding at the begin of some axis is another than at its end."""

    name: str = "pads"

    def holds(self, view: View) -> bool:
        pads = list(view.attribute(self.name) or ())
        return pads[: len(pads) // 2] != pads[len(pads) // 2 :]


@dataclass(frozen=True)
class AnyRank(Condition):
    """Some input has this rank."""

    rank: int

    def holds(self, view: View) -> bool:
        return any(operand is not None and operand.rank == self.rank for operand in view.inputs)


@dataclass(frozen=True)
class GivenInput(Condition):
    """An input is given."""

    index: int

    def holds(self, view: View) -> bool:
        return view.input(self.index) is not None


@dataclass(frozen=True)
class Unordered(Condition):
    """The attribute is a list of axes that do not go up, counted from the first axis."""

    name: str = "axes"

    def holds(self, view: View) -> bool:
        axes, operand = list(view.attribute(self.name) or ()), view.input(0)
        if operand is None or operand.rank is None:
            return False
        places = [axis % max(operand.rank, 1) for axis in axes]
        return places != sorted(places)


@dataclass(frozen=True)
class RestBehind(Condition):
    """A run of axes, behind which there are so many numbers that a division leaves a rest of this or more.

    Where their number is not known, it is taken to be whatever it can be: sizes come from the picture.
    """

    least: int
    divisor: int

    def holds(self, view: View) -> bool:
        operand = view.input(0)
        if operand is None or operand.dtype != "float32" or not operand.rank:
            return False
        rank = operand.rank
        axes = sorted(axis % rank for axis in view.attribute("axes") or _numbers(view.input(1)) or range(rank))
        if axes != list(range(axes[0], axes[-1] + 1)):
            return False
        sizes = (operand.sizes() or [None] * rank)[axes[-1] + 1 :]
        known = prod(size for size in sizes if size is not None)
        # of a multiple of a number, the rest is a multiple of what that and the divisor share
        greatest = self.divisor - gcd(known, self.divisor) if None in sizes else known % self.divisor
        return greatest >= self.least


def _numbers(operand: Optional[Operand]) -> List[int]:
    array = None if operand is None else operand.array()
    return [] if array is None else [int(number) for number in array.reshape(-1)]


@dataclass(frozen=True)
class PicksOne(Condition):
    """A vector of one constant index, not negative, picks from a vector of whole numbers, such as a shape."""

    def holds(self, view: View) -> bool:
        data, index = view.input(0), view.input(1)
        if data is None or index is None or data.rank != 1 or data.dtype != "int64" or index.rank != 1:
            return False
        array = index.array()
        return array is not None and array.size == 1 and int(array[0]) >= 0


@dataclass(frozen=True)
class ShorterConstant(Condition):
    """A vector of several whole numbers, such as a shape, meets a constant of one."""

    def holds(self, view: View) -> bool:
        data, other = view.input(0), view.input(1)
        if data is None or other is None or data.dtype != "int64" or data.rank != 1:
            return False
        sizes, array = data.sizes(), other.array()
        # the length of what is no shape is often not known
        return array is not None and array.size == 1 and sizes is not None and sizes[0] not in (None, 1)


@dataclass(frozen=True)
class RankIsNot(Condition):
    """An input is known to have another rank than this."""

    index: int
    rank: int

    def holds(self, view: View) -> bool:
        operand = view.input(self.index)
        return operand is not None and operand.rank is not None and operand.rank != self.rank


@dataclass(frozen=True)
class RankReachesInputs(Condition):
    """The rank of some input is at least the number of inputs."""

    def holds(self, view: View) -> bool:
        ranks = [operand.rank for operand in view.inputs if operand is not None and operand.rank is not None]
        return bool(ranks) and max(ranks) >= len(view.inputs)


@dataclass(frozen=True)
class NotLastAxis(Condition):
    """The operator works along another axis than the last."""

    def holds(self, view: View) -> bool:
        axis, operand = view.attribute("axis"), view.input(0)
        if axis == -1 or operand is None or operand.rank is None:
            return False
        return axis % max(operand.rank, 1) != operand.rank - 1


@dataclass(frozen=True)
class NegativeConstant(Condition):
    """An input is a constant with a negative element."""

    index: int

    def holds(self, view: View) -> bool:
        operand = view.input(self.index)
        array = None if operand is None else operand.array()
        return array is not None and bool((array < 0).any())


@dataclass(frozen=True)
class SameTwice(Condition):
    """Both inputs are one tensor, which is no constant."""

    def holds(self, view: View) -> bool:
        first = view.input(0)
        return view.same(0, 1) and first is not None and first.array() is None


@dataclass(frozen=True)
class SumOfConvolution(Condition):
    """A sum of which one side is a sum itself, with a convolution in it."""

    def holds(self, view: View) -> bool:
        return any(_adds_to_convolution(view.source(index)) for index in (0, 1))


def _adds_to_convolution(view: Optional[View]) -> bool:
    if view is None or view.operator != "Add":
        return False
    sources = (view.source(0), view.source(1))
    return any(source is not None and source.operator == "Conv" for source in sources)


@dataclass(frozen=True)
class FewerAxes(Condition):
    """One of two inputs has four axes, the other two or three."""

    def holds(self, view: View) -> bool:
        ranks = [None if operand is None else operand.rank for operand in view.inputs]
        return 4 in ranks and (2 in ranks or 3 in ranks)


@dataclass(frozen=True)
class BranchHandsOn(Condition):
    """A branch gives a tensor from around it, in another shape at most."""

    operators: Tuple[str, ...]

    def holds(self, view: View) -> bool:
        branches = [view.attribute(name) for name in ("then_branch", "else_branch")]
        return any(_handed_on(branch, self.operators) for branch in branches if branch is not None)


def _handed_on(branch: Any, operators: Tuple[str, ...]) -> bool:
    """Whether an output of a graph is, through these operators alone, a tensor that comes from around the graph."""
    made = {name: node for node in branch.node for name in node.output}
    given = {value.name for value in branch.input}
    for value in branch.output:
        name = value.name
        while name in made and made[name].op_type in operators:
            name = made[name].input[0]
        if name not in made and name not in given:
            return True
    return False


@dataclass(frozen=True)
class BodyHandsOn(Condition):
    """A turn of a loop gives a tensor from around the loop, in another shape at most."""

    operators: Tuple[str, ...]

    def holds(self, view: View) -> bool:
        body = view.attribute("body")
        return body is not None and _handed_on(body, self.operators)


@dataclass(frozen=True)
class IdleState(Condition):
    """A state of a loop that no turn reads."""

    def holds(self, view: View) -> bool:
        body = view.attribute("body")
        return body is not None and not {value.name for value in body.input[2:]} <= set(_read(body))


def _read(graph: Any) -> Iterator[str]:
    """The names of all tensors that the nodes of a graph read, and of those that it gives."""
    yield from (value.name for value in graph.output)
    for node in graph.node:
        yield from node.input
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _read(inner)


@dataclass(frozen=True)
class Shared(Condition):
    """An input that is read elsewhere as well, or given by the graph."""

    index: int

    def holds(self, view: View) -> bool:
        return view.shared(self.index)


@dataclass(frozen=True)
class LeavesBehind(Condition):
    """Each turn of a loop leaves something behind: the loop has more outputs than states."""

    def holds(self, view: View) -> bool:
        return view.output_count > len(view.inputs) - 2


@dataclass(frozen=True)
class LeftOut(Condition):
    """An input is not given."""

    index: int

    def holds(self, view: View) -> bool:
        return view.input(self.index) is None


@dataclass(frozen=True)
class KnownNumbers(Condition):
    """An input is a whole number, or a short vector of them, and all are known."""

    index: int

    def holds(self, view: View) -> bool:
        operand = view.input(self.index)
        numbers = None if operand is None else operand.whole()
        return numbers is not None and None not in numbers


@dataclass(frozen=True)
class NotConstant(Condition):
    """An input is left out, or is not a constant."""

    index: int

    def holds(self, view: View) -> bool:
        operand = view.input(self.index)
        return operand is None or operand.array() is None


@dataclass(frozen=True)
class UnorderedAxes(Condition):
    """An input is a constant: axes of the first input that do not go up, or that are counted from the last."""

    index: int

    def holds(self, view: View) -> bool:
        operand = view.input(self.index)
        array = None if operand is None else operand.array()
        return array is not None and (bool((array < 0).any()) or array.tolist() != sorted(array.tolist()))


@dataclass(frozen=True)
class BadlyFusedDepthwise(Condition):
    """A depthwise convolution behind another one: one of them has no bias, or there are channels over 16s.

    Between them is nothing that a runtime does not make part of the first one.
    """

    def holds(self, view: View) -> bool:
        weight = view.input(1)
        sizes = None if weight is None else weight.sizes()
        if sizes is None or view.attribute("group") == 1 or sizes[1] != 1:
            return False
        before = view.source(0)
        while before is not None and before.operator in ("Add", "BatchNormalization", "Clip", "Mul", "Relu"):
            before = _changed_by_constants(before)
        if before is None or before.operator != "Conv":
            return False
        over = sizes[0] is None or sizes[0] % 16 != 0
        return over or view.input(2) is None or before.input(2) is None


def _changed_by_constants(view: View) -> Optional[View]:
    """What makes the input of a node that is no constant, None where there are two."""
    computed = [index for index, operand in enumerate(view.inputs) if operand is not None and operand.array() is None]
    return view.source(computed[0]) if len(computed) == 1 else None


@dataclass(frozen=True)
class OpsetFrom(Condition):
    """The model's opset is this one or a later one."""

    first: int

    def holds(self, view: View) -> bool:
        return view.opset >= self.first


@dataclass(frozen=True)
class OpsetBefore(Condition):
    """The model's opset is an earlier one than this."""

    first: int

    def holds(self, view: View) -> bool:
        return view.opset < self.first


@dataclass(frozen=True)
class Computed(Condition):
    """An input is given, and is no constant."""

    index: int

    def holds(self, view: View) -> bool:
        operand = view.input(self.index)
        return operand is not None and operand.array() is None


@dataclass(frozen=True)
class Filled(Condition):
    """An input is given, and is no constant without elements."""

    index: int

    def holds(self, view: View) -> bool:
        operand = view.input(self.index)
        array = None if operand is None else operand.array()
        return operand is not None and (array is None or array.size > 0)


@dataclass(frozen=True)
class ConstantFrom(Condition):
    """An input is a constant with an element that is this number or more."""

    index: int
    least: int

    def holds(self, view: View) -> bool:
        operand = view.input(self.index)
        array = None if operand is None else operand.array()
        return array is not None and bool((array >= self.least).any())


@dataclass(frozen=True)
class Outputs(Condition):
    """At least so many outputs, and where ``behind`` is given, so many more than inputs behind the first of those."""

    least: int
    behind: Optional[int] = None

    def holds(self, view: View) -> bool:
        before = 0 if self.behind is None else max(len(view.inputs) - self.behind, 0)
        return view.output_count - before >= self.least


@dataclass(frozen=True)
class RankIs(Condition):
    """An input has one of these ranks."""

    index: int
    ranks: Tuple[int, ...]

    def holds(self, view: View) -> bool:
        operand = view.input(self.index)
        return operand is not None and operand.rank in self.ranks


@dataclass(frozen=True)
class Stretched(Condition):
    """One of these inputs has more than one element, and fewer than the output.

    An axis of one element counts where another input's may be longer.
    """

    indices: Tuple[int, ...]

    def holds(self, view: View) -> bool:
        shapes = [None if operand is None else operand.sizes() for operand in view.inputs]
        known = [shape for shape in shapes if shape is not None]
        rank = max((len(shape) for shape in known), default=0)
        return any(_stretched(shapes[index], known, rank) for index in self.indices if index < len(shapes))


def _stretched(shape: Optional[List[Optional[int]]], others: Sequence[List[Optional[int]]], rank: int) -> bool:
    if shape is None or all(size == 1 for size in shape):
        return False
    own = [*[1] * (rank - len(shape)), *shape]
    wide = [[*[1] * (rank - len(other)), *other] for other in others]
    return any(size == 1 and any(other[axis] != 1 for other in wide) for axis, size in enumerate(own))


@dataclass(frozen=True)
class FewerInputs(Condition):
    """There are fewer inputs than this."""

    number: int

    def holds(self, view: View) -> bool:
        return len(view.inputs) < self.number


@dataclass(frozen=True)
class PartialIndices(Condition):
    """Each index of GatherND or ScatterND has several numbers, and fewer than the data have axes."""

    def holds(self, view: View) -> bool:
        data, indices = view.input(0), view.input(1)
        sizes = None if indices is None else indices.sizes()
        if data is None or data.rank is None or not sizes:
            return False
        depth = sizes[-1]
        return depth is not None and 1 < depth < data.rank
