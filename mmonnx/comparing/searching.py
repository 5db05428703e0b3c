"""The first operator at which another runtime differs, or dies: by bisection over cuts through the graph.

A cut is what the first nodes of a model give and the others take. Nothing differs in front of all nodes, something does
behind them; so there is a node in front of which a cut is the same, and behind which it is not.
"""

from dataclasses import dataclass, field, replace
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
import onnx

from ..graph import part, reads
from ..runtime import EngineError, EngineSession
from .differences import tensor_differs
from .reference import FINE, GROSS, Expected, Level, reference_of

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
    nodes = list(model.graph.node)
    for level in (GROSS, FINE) if nodes else ():
        wrong, what = _bisected(model, runtime, feeds, bool(failure), level)
        first = _first(model, nodes[wrong - 1], runtime, feeds, what or failure or "its outputs differ", level)
        if first.alone == _EQUAL and not failure:
            # what is in front of it may depend on roundings, and not have been compared for that
            first = _before(model, wrong - 1, runtime, feeds, level) or first
        if what or failure or first.alone != _EQUAL:
            return first
    return first if nodes else None


def _before(model: onnx.ModelProto, place: int, runtime: str, feeds: Arrays, level: Level) -> Optional[First]:
    """The nearest operator in front of a node that differs by itself, if it is not far."""
    needed = set(reads(model.graph.node[place]))
    tried = 0
    for node in reversed(model.graph.node[:place]):
        if not needed.intersection(node.output) or node.op_type == "Constant":
            continue
        needed.update(reads(node))
        found = _first(model, node, runtime, feeds, "by itself", level)
        if found.alone.startswith(_DIFFERS):
            return replace(found, what=found.alone[len(_DIFFERS) + 2 :], alone=_DIFFERS)
        tried += 1
        if tried == _NEAR:
            return None
    return None


def _bisected(model: onnx.ModelProto, runtime: str, feeds: Arrays, fails: bool, level: Level) -> Tuple[int, str]:
    """How many nodes there are up to the one at fault, and what is wrong behind it; empty if only the outputs are."""
    same, wrong, what = 0, len(model.graph.node), ""
    while wrong - same > 1:
        middle = (same + wrong) // 2
        problem = _problem(model, runtime, feeds, _cut(model, middle), fails, level)
        if problem:
            wrong, what = middle, problem
        else:
            same = middle
    return wrong, what


def _cut(model: onnx.ModelProto, count: int) -> List[str]:
    """What the first nodes give and the others, or whoever runs the model, take; not what constants alone give."""
    nodes = model.graph.node
    taken = {name for node in nodes[count:] for name in reads(node)} | {value.name for value in model.graph.output}
    varying = {value.name for value in model.graph.input}
    for node in nodes[:count]:
        if varying.intersection(reads(node)):
            varying.update(node.output)
    return [name for node in nodes[:count] for name in node.output if name in taken and name in varying]


def _problem(
    model: onnx.ModelProto, runtime: str, feeds: Arrays, names: Sequence[str], fails: bool, level: Level
) -> str:
    """What differs at a cut, in a line, or why there is nothing; empty for nothing at all."""
    expected = reference_of(model, names, feeds, level) if names else {}
    if not expected:
        return ""
    try:
        return _differing(expected, _run(model, runtime, feeds, expected), level)
    except EngineError as error:
        if fails:
            return str(error)
        reason = str(error)
    # It may be the output that it cannot give, an integer say, where the whole model runs.
    ran = False
    for name, one in expected.items():
        try:
            problem = _differing({name: one}, _run(model, runtime, feeds, {name: one}), level)
        except EngineError:
            continue
        ran = True
        if problem:
            return problem
    return "" if ran else reason


def _differing(expected: Dict[str, Expected], found: Arrays, level: Level) -> str:
    for name, one in expected.items():
        problem = tensor_differs(one, found[name], level.share)
        if problem:
            return f"{name}: {problem}"
    return ""


def _run(model: onnx.ModelProto, runtime: str, feeds: Arrays, expected: Dict[str, Expected]) -> Arrays:
    """Some tensors of a model in the other runtime."""
    small = part(model, expected)
    typed = [_value(name, one.value, [None] * one.value.ndim) for name, one in expected.items()]
    del small.graph.output[:]
    small.graph.output.extend(typed)
    taken = {name for node in small.graph.node for name in reads(node)}
    inputs = [value for value in small.graph.input if value.name in taken]
    del small.graph.input[:]
    small.graph.input.extend(inputs)
    return EngineSession(small, runtime).run({value.name: feeds[value.name] for value in inputs})


def _value(name: str, array: np.ndarray, shape: Sequence[Optional[int]]) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), shape)


def _first(model: onnx.ModelProto, node: onnx.NodeProto, runtime: str, feeds: Arrays, what: str, level: Level) -> First:
    given = {value.name for value in model.graph.input}
    made = {name for other in model.graph.node if other.op_type != "Constant" for name in other.output}
    outputs = reference_of(model, [name for name in node.output if name], feeds)
    inner = [name for name in dict.fromkeys(node.input) if name in made]
    inputs = {name: one.value for name, one in (reference_of(model, inner, feeds) if inner else {}).items()}
    inputs.update({name: feeds[name] for name in node.input if name in given})
    return First(
        node.name or node.output[0],
        f"{node.domain}::{node.op_type}" if node.domain else node.op_type,
        node.name.rpartition("/")[0].strip("/"),
        what,
        {name: _shown(inputs[name]) for name in dict.fromkeys(node.input) if name in inputs},
        {name: _shown(one.value) for name, one in outputs.items()},
        _alone(model, node, runtime, inputs, outputs, what, level),
    )


def _shown(array: np.ndarray) -> str:
    return f"{array.dtype.name} ({', '.join(map(str, array.shape))})"


def _alone(
    model: onnx.ModelProto,
    node: onnx.NodeProto,
    runtime: str,
    inputs: Arrays,
    outputs: Dict[str, Expected],
    what: str,
    level: Level,
) -> str:
    """What the operator does by itself."""
    if not outputs or any(attribute.HasField("g") for attribute in node.attribute):
        return ""
    used = set(node.input)
    constants = [other for other in model.graph.node if other.op_type == "Constant" and used & set(other.output)]
    graph = onnx.helper.make_graph(
        [*constants, node],
        "alone",
        [_value(name, array, array.shape) for name, array in inputs.items()],
        [_value(name, one.value, [None] * one.value.ndim) for name, one in outputs.items()],
        [tensor for tensor in model.graph.initializer if tensor.name in used],
    )
    single = onnx.helper.make_model(graph, opset_imports=model.opset_import, functions=model.functions)
    single.ir_version = model.ir_version
    try:
        found = EngineSession(single, runtime).run(inputs)
    except EngineError as error:
        return "the same" if str(error) == what else str(error)
    problem = _differing(reference_of(single, outputs, inputs, level), found, level)
    return f"{_DIFFERS}: {problem}" if problem else _EQUAL
