"""Loops: all turns at once, where no turn depends on another."""

from typing import Any, Dict, NamedTuple, Optional

from ..conditions import LeavesBehind
from .base import EXACT, Node, Result, Rule, Tensor, constant, op, reshaped

_ALONE = {"Not", "Identity", "Relu", "Sigmoid", "Sqrt", "Exp", "Log", "Floor", "Ceil"}
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


RULES = (Rule("Loop", _at_once, EXACT, (LeavesBehind(),)),)
