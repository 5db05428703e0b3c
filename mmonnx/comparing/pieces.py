"""Pieces of a model that run alone: up to some of its tensors, or one of its operators."""

from typing import Dict, List, Mapping, Optional, Sequence

import numpy as np
import onnx

from ..graph import part, reads

Arrays = Dict[str, np.ndarray]


def cut(model: onnx.ModelProto, count: int) -> List[str]:
    """What the first nodes give and the others, or whoever runs the model, take; not what constants alone give."""
    nodes = model.graph.node
    taken = {name for node in nodes[count:] for name in reads(node)} | {value.name for value in model.graph.output}
    varying = {value.name for value in model.graph.input}
    for node in nodes[:count]:
        if varying.intersection(reads(node)):
            varying.update(node.output)
    return [name for node in nodes[:count] for name in node.output if name in taken and name in varying]


def up_to(model: onnx.ModelProto, values: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    """The part of a model that gives some tensors, of which these are examples; with the inputs that it takes alone."""
    small = part(model, values)
    del small.graph.output[:]
    small.graph.output.extend(_value(name, array, [None] * array.ndim) for name, array in values.items())
    taken = {name for node in small.graph.node for name in reads(node)}
    inputs = [value for value in small.graph.input if value.name in taken]
    del small.graph.input[:]
    small.graph.input.extend(inputs)
    return small


def single(
    model: onnx.ModelProto, node: onnx.NodeProto, inputs: Arrays, outputs: Mapping[str, np.ndarray]
) -> Optional[onnx.ModelProto]:
    """A model of one operator, whose inputs and outputs are like these; None for one with graphs inside."""
    if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
        return None
    used = set(node.input)
    constants = [other for other in model.graph.node if other.op_type == "Constant" and used & set(other.output)]
    graph = onnx.helper.make_graph(
        [*constants, node],
        "single",
        [_value(name, array, array.shape) for name, array in inputs.items()],
        [_value(name, array, [None] * array.ndim) for name, array in outputs.items()],
        [tensor for tensor in model.graph.initializer if tensor.name in used],
    )
    made = onnx.helper.make_model(graph, opset_imports=model.opset_import, functions=model.functions)
    made.ir_version = model.ir_version
    return made


def inner_inputs(model: onnx.ModelProto, node: onnx.NodeProto) -> List[str]:
    """What a node takes of others, but for constants."""
    made = {name for other in model.graph.node if other.op_type != "Constant" for name in other.output}
    return [name for name in dict.fromkeys(node.input) if name in made]


def _value(name: str, array: np.ndarray, shape: Sequence[Optional[int]]) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), shape)
