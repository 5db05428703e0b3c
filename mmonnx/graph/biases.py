"""Biases that several layers read, and what normalizes behind a layer and is read elsewhere as well."""

from collections import Counter
from typing import Dict, Iterator, Tuple

import onnx

from .functions import walk_nodes

_WITH_BIAS = {"Conv", "ConvTranspose", "Gemm"}
_FUSED = {"Add", "BatchNormalization", "Div", "Mul", "Sub"}
"""What a runtime may make part of the layer before it, if the other operand is a constant."""


def shared_biases(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """The layers whose bias is a constant that another node reads as well, but for the first reader of each."""
    constants = {tensor.name for tensor in model.graph.initializer}
    readers = Counter(name for node in walk_nodes(model.graph) for name in node.input if name in constants)
    seen = set()
    for node in walk_nodes(model.graph):
        if node.op_type in _WITH_BIAS and len(node.input) > 2 and readers[node.input[2]] > 1:
            if node.input[2] in seen:
                yield node
            seen.add(node.input[2])


def altered_biases(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Those of them whose bias a runtime changes when it makes one operator of a layer and what is behind it."""
    constants = {tensor.name for tensor in model.graph.initializer}
    constants.update(name for node in walk_nodes(model.graph) if node.op_type == "Constant" for name in node.output)
    changed = set()
    behind = {name: node for node in walk_nodes(model.graph) for name in node.input}
    for node in walk_nodes(model.graph):
        next_node = behind.get(node.output[0]) if node.op_type in _WITH_BIAS and len(node.input) > 2 else None
        if next_node is not None and next_node.op_type in _FUSED and constants.intersection(next_node.input):
            changed.add(node.input[2])
    return (node for node in shared_biases(model) if node.input[2] in changed)


def shared_statistics(model: onnx.ModelProto) -> Iterator[Tuple[onnx.NodeProto, int]]:
    """Inputs of a BatchNormalization right behind a layer that are constants, and are read more than once.

    A runtime that makes one operator of both changes them or takes them away.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    readers = Counter(name for node in walk_nodes(model.graph) for name in node.input if name in constants)
    layers = {name for node in walk_nodes(model.graph) if node.op_type in _WITH_BIAS for name in node.output}
    for node in walk_nodes(model.graph):
        if node.op_type == "BatchNormalization" and node.input[0] in layers:
            yield from ((node, index) for index, name in enumerate(node.input) if readers[name] > 1)


def with_own_biases(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model, in which each layer has constants of its own; the model that is given is not changed."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    tensors: Dict[str, onnx.TensorProto] = {tensor.name: tensor for tensor in model.graph.initializer}
    shared = [(node, 2) for node in shared_biases(result)]
    for number, (node, index) in enumerate([*shared, *shared_statistics(result)]):
        copy = result.graph.initializer.add()
        copy.CopyFrom(tensors[node.input[index]])
        copy.name = node.input[index] = f"{node.input[index]}_own_{number}"
    return result
