"""Branches that are always taken: the shapes that are known say so."""

import operator
from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Optional

import onnx

from ..runtime import without_weights
from .emptiness import NodeView, follow
from .functions import walk_nodes

_COMPARED: Dict[str, Callable[[Any, Any], bool]] = {
    "Equal": operator.eq,
    "Greater": operator.gt,
    "Less": operator.lt,
}


def with_taken_branches(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with what a branch computes in the place of each If that always takes it.

    Branches with graphs or initializers of their own stay where they are.

    Args:
        model: it is not changed.
    """
    while any(node.op_type == "If" for node in model.graph.node):
        known = without_weights(partial(onnx.shape_inference.infer_shapes, data_prop=True), model)
        ifs = [step.view for step in follow(known) if step.view.operator == "If"]
        taken = {view.node.output[0]: _taken(view) for view in ifs}
        nodes = [inner for node in model.graph.node for inner in _with_taken(node, taken)]
        if len(nodes) == len(model.graph.node) and all(map(operator.is_, nodes, model.graph.node)):
            break
        # more may be known then
        model = _with_nodes(model, nodes)
    return model


def _with_nodes(model: onnx.ModelProto, nodes: List[onnx.NodeProto]) -> onnx.ModelProto:
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    return result


def _with_taken(node: onnx.NodeProto, taken: Mapping[str, Optional[str]]) -> List[onnx.NodeProto]:
    """The node, or those of the branch that it always takes."""
    which = taken.get(node.output[0]) if node.op_type == "If" else None
    branch = next((item.g for item in node.attribute if item.name == which), None)
    return [node] if branch is None or not _is_plain(branch) else _inlined(node, branch)


def _taken(view: NodeView) -> Optional[str]:
    """The branch that an If always takes, None if that is not known."""
    condition = view.input(0)
    array = None if condition is None else condition.array()
    holds = _holds(view.source(0)) if array is None else bool(array.reshape(-1)[0])
    return None if holds is None else "then_branch" if holds else "else_branch"


def _holds(asked: Optional[NodeView]) -> Optional[bool]:
    """What a comparison of two numbers that follow from shapes always says."""
    if asked is None or asked.operator not in _COMPARED:
        return None
    numbers = [None if value is None else value.numbers() for value in asked.inputs]
    if any(found is None or len(found) != 1 for found in numbers):
        return None
    return _COMPARED[asked.operator](*numbers)


def _is_plain(branch: onnx.GraphProto) -> bool:
    inner = sum(1 for _ in walk_nodes(branch))
    return inner == len(branch.node) and not branch.initializer and not branch.sparse_initializer


def _inlined(node: onnx.NodeProto, branch: onnx.GraphProto) -> List[onnx.NodeProto]:
    """The nodes of a branch; two branches may have one name for two things, so each tensor has the If's before it."""
    names = {name: f"{node.output[0]}_taken_{name}" for inner in branch.node for name in inner.output if name}
    given: Dict[str, str] = {}
    for value, output in zip(branch.output, node.output):
        if value.name in names and value.name not in given:
            given[value.name] = names[value.name] = output
    found = []
    for number, inner in enumerate(branch.node):
        copy = onnx.NodeProto()
        copy.CopyFrom(inner)
        copy.name = f"{node.output[0]}_taken_{inner.name or number}"
        copy.input[:] = [names.get(name, name) for name in inner.input]
        copy.output[:] = [names.get(name, name) for name in inner.output]
        found.append(copy)
    for value, output in zip(branch.output, node.output):
        if given.get(value.name) != output:
            source = names.get(value.name, value.name)
            found.append(onnx.helper.make_node("Identity", [source], [output], f"{output}_handed_on"))
    return found
