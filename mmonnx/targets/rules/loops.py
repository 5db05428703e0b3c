"""Loops: all turns at once, where no turn depends on another.

Else what they leave behind in tables that fill up, or one turn behind the other, where their number is known.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from ..conditions import KnownNumbers, LeavesBehind
from .base import (
    ELEMENT,
    EXACT,
    Call,
    Extended,
    Node,
    Result,
    Rule,
    Tensor,
    cast,
    constant,
    counted,
    entered,
    inside,
    joined,
    op,
    reshaped,
    where,
)

_ALONE = {"Not", "Identity", "Relu", "Sigmoid", "Sqrt", "Exp", "Log", "Floor", "Ceil"}
_LEFT = {"float32": "float32", "int64": "int64", "int32": "int64", "bool": "int64"}
"""The type in which a table holds numbers of a type: those that Where has everywhere."""
_NAMES = {element: name for name, element in ELEMENT.items()}
_MOST_TURNS = 2**16
"""A constant number of turns above this is no number of them: the loop ends by its own condition."""
_MOST_NODES = 1000
"""As many nodes as the turns of one loop may have together."""
_FIELDS = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings"}
"""Where ONNX keeps an attribute, by its type; of graphs there is none, as a turn may not have any."""
_FIRST_LIST = 6
_IN_PAIRS = {"Add", "Sub", "Mul", "Div", "Less", "Greater", "Equal", "And"}


class _Turns(NamedTuple):
    """A value of each turn: one after the other along a first axis that is added; how many axes it has without."""

    tensor: Tensor
    rank: Optional[int]


def _at_once(node: Node) -> Result:
    """A loop without states whose turns read rows of tensors that are there before it."""
    body = node.attribute("body")
    # one input for each state, after the number of turns and whether to begin
    if len(node.inputs) != 2 or len(body.output) != 2 or len(body.input) != 2 or body.initializer:
        return None
    number, going = (value.name for value in body.input)
    known: Dict[str, _Turns] = {}
    again = going
    for one in body.node:
        if one.op_type == "Identity" and one.input[0] == again:
            again = one.output[0]
            continue
        found = _turn(node, one, known, number)
        if found is None:
            return None
        known[one.output[0]] = found
    result = known.get(body.output[1].name)
    return result.tensor if result is not None and body.output[0].name == again else None


def _turn(node: Node, one: Any, known: Dict[str, _Turns], number: str) -> Optional[_Turns]:
    """What a node of the body gives in all turns; None if that cannot be told."""
    attributes = {item.name: item for item in one.attribute}
    if one.op_type == "Gather" and one.input[1] == number and one.input[0] not in known:
        table = node.outer(one.input[0])
        if table is None or table.known is None or table.known.rank is None:
            return None
        if "axis" in attributes and attributes["axis"].i != 0:
            return None
        turns = reshaped(node[0], 1)
        rows = op("Slice", table, constant([0]), turns, constant([0]))
        return _Turns(rows, table.known.rank - 1)
    if attributes:
        return None
    given = [known.get(name) for name in one.input]
    if one.op_type in _ALONE and len(given) == 1 and given[0] is not None:
        return _Turns(op(one.op_type, given[0].tensor), given[0].rank)
    if len(given) != 2 or given[0] is None:
        return None
    first, second = given[0], given[1] or _outside(node, one.input[1])
    if second is None or first.rank is None or second.rank is None:
        return None
    if one.op_type == "MatMul" and given[1] is not None and first.rank == second.rank == 2:
        return _Turns(op("MatMul", first.tensor, second.tensor), 2)
    # a value from outside is the same in all turns if it has fewer axes than a turn and the turns have together
    fits = first.rank == second.rank if given[1] is not None else second.rank <= first.rank
    return (
        _Turns(op(one.op_type, first.tensor, second.tensor), first.rank) if one.op_type in _IN_PAIRS and fits else None
    )


def _outside(node: Node, name: str) -> Optional[_Turns]:
    found = node.outer(name)
    return None if found is None or found.known is None else _Turns(found, found.known.rank)


class _Left(NamedTuple):
    """What each turn leaves behind: the tensor of its graph, its type, and that of the table of all turns."""

    value: Tensor
    rank: int
    kind: str


def _in_tables(node: Node) -> Result:
    """Each turn writes what it leaves behind into its row of a table, a state of as many rows as there may be turns."""
    turns, most, body = node.given(0), node.array(0), node.attribute("body")
    states = len(node.inputs) - 2
    left = [_left(value) for value in body.output[1 + states :]]
    if turns is None or (most is not None and int(most.reshape(-1)[0]) > _MOST_TURNS):
        return None
    found = [one for one in left if one is not None]
    if len(found) < len(left):
        return None
    number = reshaped(inside(body.input[0].name, "int64"), 1)
    is_now = op("Equal", counted(reshaped(turns, 1)), number)
    # one row, which the first turn stretches: nobody knows before how large the others are
    begun = [constant(np.zeros([1] * (one.rank + 1)), one.kind) for one in found]
    tables = [entered(one.kind) for one in found]
    filled = [
        where(reshaped(is_now, -1, *[1] * one.rank), node.unsqueeze(cast(one.value, one.kind), [0]), table)
        for one, table in zip(found, tables)
    ]
    before = entered("int64")
    made = Extended((*tables, before), tuple(range(1 + states)), (*filled, before + 1))
    given = (*node.inputs, *begun, constant([0]))
    call = Call("Loop", given, {"body": made}, states + len(found) + 1)
    count = Tensor("int64", call, states + len(found))
    last = [Tensor(_type(node, index), call, index) for index in range(states)]
    return [*last, *(_cut(one, Tensor(one.kind, call, states + index), count) for index, one in enumerate(found))]


def _left(value: Any) -> Optional[_Left]:
    """What a graph gives; None if its rank or its type is not known."""
    tensor = value.type.tensor_type
    dtype = _NAMES.get(tensor.elem_type, "")
    if dtype not in _LEFT or not tensor.HasField("shape"):
        return None
    return _Left(inside(value.name, dtype), len(tensor.shape.dim), _LEFT[dtype])


def _type(node: Node, state: int) -> str:
    given = node.given(2 + state)
    return "" if given is None else given.dtype


def _cut(left: _Left, table: Tensor, count: Tensor) -> Tensor:
    """The rows of a table that were written; its shape is as it is, and says how many axes it has."""
    whole = op("Reshape", table, constant([0] * (left.rank + 1)))
    return cast(op("Slice", whole, constant([0]), count, constant([0])), left.value.dtype)


class _CannotUnroll(Exception):
    """A turn has something that cannot be written by itself."""


def _one_by_one(node: Node) -> Result:
    """The turns of a loop one behind the other: so many times what its body has."""
    body, numbers, begins = node.attribute("body"), node.sizes_in(0), node.array(1)
    turns = numbers[0] if numbers else None
    always = node.given(1) is None or (begins is not None and bool(begins.all()))
    if turns is None or not always or turns * len(body.node) > _MOST_NODES:
        return None
    going, states = constant(True, "bool"), list(node.inputs[2:])
    left: List[List[Tensor]] = [[] for _ in body.output[1 + len(states) :]]
    try:
        for number in range(turns):
            again, *given = _of_turn(node, body, [constant(number), going, *states])
            if again.array is None or not again.array.all():
                return None
            states = list(given[: len(states)])
            for rows, row in zip(left, given[len(states) :]):
                rows.append(node.unsqueeze(row, [0]))
    except _CannotUnroll:
        return None
    if left and not turns:
        return None  # nobody knows what shape nothing would have had
    return [*[state for state in states if state is not None], *map(joined, left)]


def _of_turn(node: Node, body: Any, given: Sequence[Optional[Tensor]]) -> List[Tensor]:
    """What the body gives for these inputs."""
    known = {value.name: tensor for value, tensor in zip(body.input, given)}
    for tensor in body.initializer:
        known[tensor.name] = Tensor("", Call("Constant", (), {"value": tensor}))
    for one in body.node:
        inputs = [_read(node, known, name) for name in one.input]
        if one.op_type == "Identity":
            known[one.output[0]] = inputs[0]
            continue
        attributes = {item.name: _content(item) for item in one.attribute}
        operator = f"{one.domain}::{one.op_type}" if one.domain not in ("", "ai.onnx") else one.op_type
        call = Call(operator, tuple(inputs), attributes, len(one.output))
        known.update({name: Tensor("", call, index) for index, name in enumerate(one.output)})
    results = [_read(node, known, value.name) for value in body.output]
    return [result for result in results if result is not None]


def _read(node: Node, known: Dict[str, Optional[Tensor]], name: str) -> Optional[Tensor]:
    """A tensor that a body reads, None for an input that is left out."""
    if not name:
        return None
    found = known.get(name) or node.outer(name)
    if found is None:
        raise _CannotUnroll
    return found


def _content(attribute: Any) -> Any:
    """The value of an attribute."""
    if attribute.type not in _FIELDS:
        raise _CannotUnroll
    found = getattr(attribute, _FIELDS[attribute.type])
    if attribute.type < _FIRST_LIST:
        return found
    if not len(found):  # of what type is not told
        raise _CannotUnroll
    return list(found)


RULES = (
    Rule("Loop", _at_once, EXACT, (LeavesBehind(),)),
    Rule("Loop", _in_tables, EXACT, (LeavesBehind(),)),
    Rule("Loop", _one_by_one, EXACT, (KnownNumbers(0),)),
)
