"""Inputs and outputs of another type: float16 for those that hand over tensors on a GPU, or in half the memory."""

from typing import Dict, Iterable

import onnx
from onnx import TensorProto, helper

from .functions import walk_nodes


def with_half_io(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with float16 in the place of float32 inputs and outputs; inside nothing is changed.

    Inputs that may be left out, and tell where a picture lies, stay as they are: float16 has no such numbers.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    defaults = {tensor.name for tensor in graph.initializer}
    before = [value for value in graph.input if value.name not in defaults]
    given, made = _renamed(before), _renamed(graph.output)
    for node in walk_nodes(graph):
        node.input[:] = [given.get(name, made.get(name, name)) for name in node.input]
        node.output[:] = [made.get(name, name) for name in node.output]
    nodes = list(graph.node)
    del graph.node[:]
    for name, inside in given.items():
        graph.node.append(helper.make_node("Cast", [name], [inside], f"{name}/to_float32", to=TensorProto.FLOAT))
    graph.node.extend(nodes)
    for name, inside in made.items():
        graph.node.append(helper.make_node("Cast", [inside], [name], f"{name}/to_float16", to=TensorProto.FLOAT16))
    return result


def _renamed(values: Iterable[onnx.ValueInfoProto]) -> Dict[str, str]:
    """Make float32 values float16; what these are called inside of the model, by their names."""
    found = {}
    for value in values:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.FLOAT16
            found[value.name] = f"{value.name}/float32"
    return found
