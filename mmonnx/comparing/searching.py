"""The first operator at which another runtime differs, or dies: by bisection over cuts through the graph.

A cut is what the first nodes of a model give and the others take. Nothing differs in front of all nodes, something does
behind them; so there is a node in front of which a cut is the same, and behind which it is not.
"""

from dataclasses import dataclass, field, replace
from typing import Dict, Optional, Sequence, Tuple

import numpy as np
import onnx

from ..graph import part, reads
from ..runtime import EngineError, EngineSession
from .differences import tensor_differs
from .pieces import cut, inner_inputs, single, up_to
from .reference import FINE, GROSS, Expected, Level, reference_of, values_of

Arrays = Dict[str, np.ndarray]

_EQUAL, _DIFFERS = "equal", "differs too"
_NEAR = 30
"""How many operators in front of one are looked at that is right by itself."""


@dataclass(frozen=True)
class First:
    """The first operator at fault.

    Attributes:
        node, operator, module: its name, its type, and the path of the module that it comes from, which may be empty.
        inputs, outputs: the types and shapes of its tensors in ONNX Runtime, by name; without its constants.
        what: what differs behind it, in a line, or why there is nothing.
        alone: what the operator does by itself, on the inputs that it has in ONNX Runtime: ``differs too`` and in what,
            ``equal``, ``the same`` or why else there is nothing; empty where that was not tried.
    """

    node: str
    operator: str
    module: str
    what: str
    inputs: Dict[str, str] = field(default_factory=dict)
    outputs: Dict[str, str] = field(default_factory=dict)
    alone: str = ""


def first_fault(model: onnx.ModelProto, runtime: str, feeds: Arrays, failure: str = "") -> Optional[First]:
    """Find it: what is grossly wrong goes before what is a little off, where there is such a thing.

    Args:
        model: what gives wrong outputs, all of which count.
        runtime: the other runtime's name.
        feeds: its inputs.
        failure: why the runtime gives nothing; empty where it gives something else.

    Returns:
        The operator; None where the model has none.
    """
    model = part(model, [value.name for value in model.graph.output])  # without what nobody reads
    if not model.graph.node:
        return None
    gross, certain = _Search(model, runtime, feeds, failure, GROSS).first()
    return gross if certain else _Search(model, runtime, feeds, failure, FINE).first()[0]


class _Search:
    """The search at one level of differences; arguments are those of ``first_fault``."""

    def __init__(self, model: onnx.ModelProto, runtime: str, feeds: Arrays, failure: str, level: Level) -> None:
        self._model, self._runtime, self._feeds = model, runtime, feeds
        self._failure, self._level = failure, level

    def first(self) -> Tuple[First, bool]:
        """The operator, and whether anything of it but the model's outputs was seen to be wrong."""
        place, what = self._bisected()
        what = what or self._failure
        found = self._told(self._model.graph.node[place], what or "its outputs differ")
        if found.alone == _EQUAL and not self._failure:
            # what is in front of it may depend on roundings, and not have been compared for that
            found = self._before(place) or found
        return found, bool(what) or found.alone != _EQUAL

    def _bisected(self) -> Tuple[int, str]:
        """The place of the node at fault, and what is wrong behind it; empty if only the outputs are."""
        same, wrong, what = 0, len(self._model.graph.node), ""
        while wrong - same > 1:
            middle = (same + wrong) // 2
            problem = self._problem(cut(self._model, middle))
            if problem:
                wrong, what = middle, problem
            else:
                same = middle
        return wrong - 1, what

    def _before(self, place: int) -> Optional[First]:
        """The nearest operator in front of a node that differs by itself, if it is not far."""
        nodes = self._model.graph.node
        needed, left = set(reads(nodes[place])), _NEAR
        for node in reversed(nodes[:place]):
            if not left:
                break
            if not needed.intersection(node.output) or node.op_type == "Constant":
                continue
            needed.update(reads(node))
            left -= 1
            found = self._told(node, "")
            if found.alone.startswith(_DIFFERS):
                return replace(found, what=found.alone[len(_DIFFERS) + 2 :], alone=_DIFFERS)
        return None

    def _problem(self, names: Sequence[str]) -> str:
        """What differs at a cut, in a line, or why there is nothing; empty for nothing at all."""
        expected = self._expected(names)
        if not expected:
            return ""
        try:
            return self._difference(expected)
        except EngineError as error:
            reason = str(error)
        return reason if self._failure else self._one_by_one(expected, reason)

    def _one_by_one(self, expected: Dict[str, Expected], reason: str) -> str:
        """The same where the runtime cannot give all at once: some types of outputs, say, though the model runs."""
        for name, one in expected.items():
            try:
                problem = self._difference({name: one})
            except EngineError:
                continue
            if problem:
                return problem
            reason = ""
        return reason

    def _expected(self, names: Sequence[str]) -> Dict[str, Expected]:
        return reference_of(self._model, names, self._feeds, self._level) if names else {}

    def _difference(self, expected: Dict[str, Expected]) -> str:
        small = up_to(self._model, {name: one.value for name, one in expected.items()})
        feeds = {value.name: self._feeds[value.name] for value in small.graph.input}
        return self._differing(expected, EngineSession(small, self._runtime).run(feeds))

    def _differing(self, expected: Dict[str, Expected], found: Arrays) -> str:
        problems = ((name, tensor_differs(one, found[name], self._level.share)) for name, one in expected.items())
        return next((f"{name}: {problem}" for name, problem in problems if problem), "")

    def _told(self, node: onnx.NodeProto, what: str) -> First:
        """What there is to say of a node."""
        given = [name for name in node.output if name]
        values = values_of(self._model, [*given, *inner_inputs(self._model, node)], self._feeds)
        values.update({name: self._feeds[name] for name in node.input if name in self._feeds})
        outputs = {name: values[name] for name in given if name in values}
        inputs = {name: values[name] for name in dict.fromkeys(node.input) if name in values}
        return First(
            node.name or node.output[0],
            f"{node.domain}::{node.op_type}" if node.domain else node.op_type,
            node.name.rpartition("/")[0].strip("/"),
            what,
            {name: _shown(array) for name, array in inputs.items()},
            {name: _shown(array) for name, array in outputs.items()},
            self._alone(node, inputs, outputs, what),
        )

    def _alone(self, node: onnx.NodeProto, inputs: Arrays, outputs: Arrays, what: str) -> str:
        """What the operator does by itself."""
        model = single(self._model, node, inputs, outputs) if outputs else None
        if model is None:
            return ""
        try:
            found = EngineSession(model, self._runtime).run(inputs)
        except EngineError as error:
            return "the same" if str(error) == what else str(error)
        problem = self._differing(reference_of(model, outputs, inputs, self._level), found)
        return f"{_DIFFERS}: {problem}" if problem else _EQUAL


def _shown(array: np.ndarray) -> str:
    return f"{array.dtype.name} ({', '.join(map(str, array.shape))})"
