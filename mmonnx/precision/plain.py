"""Activations in operators that have an int8 form: a hard sigmoid is a product, a sum and a clip, whose clip is free.

A node without one would be float32 between two convolutions of int8, and what surrounds it converted there and back.
"""

from typing import Dict, List, Set

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..graph import walk_nodes
from .trunk import constants_of


def in_plain_operators(model: onnx.ModelProto, inside: Set[str]) -> onnx.ModelProto:
    """A copy whose HardSigmoid, HardSwish and Div by one number, of the nodes inside, are written in others."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    constants, known = _numbers(graph), constants_of(result)
    made: List[onnx.NodeProto] = []
    for node in graph.node:
        write = _WRITERS.get(node.op_type) if node.name in inside and not node.domain else None
        divisor = constants.get(node.input[1]) if node.op_type == "Div" else None
        if write is None or node.input[0] in known or (node.op_type == "Div" and not divisor):
            made.append(_copied(node))
            continue
        values = [1 / divisor] if divisor else _line(node)
        names = [f"{node.name}/{word}" for word in ("factor", "summand", "low", "high")]
        numbers = [*values, 0.0, 1.0] if len(values) > 1 else values
        for name, value in zip(names, numbers):
            graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        made += write(node, names)
    del graph.node[:]
    graph.node.extend(made)
    del graph.value_info[:]
    return result


def with_plain_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose constants are initializers, read by their own names.

    Torch writes an Identity where two parameters have the same values: behind one a layer's weights are not seen.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    given = {value.name for value in graph.input}
    stored = {tensor.name for tensor in graph.initializer} - given
    ends = {value.name for value in graph.output}
    same: Dict[str, str] = {}
    kept: List[onnx.NodeProto] = []
    for node in graph.node:
        name = node.output[0] if node.output else ""
        value = next((one.t for one in node.attribute if one.name == "value"), None)
        if node.op_type == "Constant" and value is not None and name not in ends:
            graph.initializer.append(value)
            graph.initializer[-1].name = name
            stored.add(name)
        elif node.op_type == "Identity" and same.get(node.input[0], node.input[0]) in stored and name not in ends:
            same[name] = same.get(node.input[0], node.input[0])
        else:
            kept.append(_copied(node))
    del graph.node[:]
    graph.node.extend(kept)
    for node in walk_nodes(graph):
        node.input[:] = [same.get(name, name) for name in node.input]
    return result


def _numbers(graph: onnx.GraphProto) -> Dict[str, float]:
    """Constants of one float, by name."""
    one = (tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT)
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in one if np.prod(tensor.dims, initial=1.0) == 1}
    return {name: float(value.reshape(-1)[0]) for name, value in arrays.items()}


def _line(node: onnx.NodeProto) -> List[float]:
    """The slope and the height of a hard sigmoid."""
    if node.op_type == "HardSwish":
        return [1 / 6, 0.5]
    given = {one.name: one.f for one in node.attribute}
    return [given.get("alpha", 0.2), given.get("beta", 0.5)]


def _product(node: onnx.NodeProto, names: List[str]) -> List[onnx.NodeProto]:
    return [helper.make_node("Mul", [node.input[0], names[0]], list(node.output), node.name)]


def _sigmoid(node: onnx.NodeProto, names: List[str]) -> List[onnx.NodeProto]:
    return _between(node, names, node.output[0], node.name)


def _swish(node: onnx.NodeProto, names: List[str]) -> List[onnx.NodeProto]:
    share = f"{node.output[0]}/share"
    nodes = _between(node, names, share, f"{node.name}/share")
    return [*nodes, helper.make_node("Mul", [node.input[0], share], list(node.output), node.name)]


def _between(node: onnx.NodeProto, names: List[str], output: str, name: str) -> List[onnx.NodeProto]:
    """``clip(factor * x + summand, 0, 1)``."""
    scaled, moved = f"{output}/scaled", f"{output}/moved"
    return [
        helper.make_node("Mul", [node.input[0], names[0]], [scaled], f"{name}/scaled"),
        helper.make_node("Add", [scaled, names[1]], [moved], f"{name}/moved"),
        helper.make_node("Clip", [moved, *names[2:]], [output], name),
    ]


_WRITERS = {"Div": _product, "HardSigmoid": _sigmoid, "HardSwish": _swish}


def _copied(node: onnx.NodeProto) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy
