"""Faults in sizes, axes and what the trace made constant."""

from functools import partial
from typing import Iterator

import numpy as np
import onnx

from ..graphs import Graph, attribute, set_attribute
from ..registry import Place, kind


def _dimensions(graph: Graph) -> Iterator[onnx.NodeProto]:
    """What takes one dimension out of a shape, in the main graph."""
    main = {node.output[0] for node in graph.model.graph.node}
    for node in graph.of("Gather"):
        shape = graph.maker(node.input[0])
        of_shape = shape is not None and shape.op_type == "Shape"
        if of_shape and node.output[0] in main and graph.is_constant(node.input[1]) and graph.size(node.input[1]) == 1:
            yield node


@kind("height-for-width", "a height is taken for a width, or the other way round")
def _(graph: Graph) -> Iterator[Place]:
    for node in _dimensions(graph):
        index = graph.constant(node.input[1])
        axis = int(index.reshape(-1)[0])
        if axis in (2, 3, -1, -2):
            other = {2: 3, 3: 2, -1: -2, -2: -1}[axis]
            where = f"{node.name} axis {axis} to {other}"
            yield Place(where, partial(_give, node.name, 1, np.full_like(index, other)))


def _give(name: str, index: int, values: np.ndarray, graph: Graph) -> None:
    graph.give(name, index, values)


@kind("size-of-trace", "a size is always that of the export")
def _(graph: Graph) -> Iterator[Place]:
    for node in _dimensions(graph):
        axis = int(graph.constant(node.input[1]).reshape(-1)[0])
        if axis:
            yield Place(f"{node.name} axis {axis}", partial(_freeze, node.output[0]))


@kind("batch-of-trace", "the batch is always that of the export")
def _(graph: Graph) -> Iterator[Place]:
    for node in _dimensions(graph):
        maker = graph.maker(node.input[0])
        if int(graph.constant(node.input[1]).reshape(-1)[0]) == 0 and maker.input[0] in graph.inputs:
            yield Place(node.name, partial(_freeze, node.output[0]))


def _freeze(value: str, graph: Graph) -> None:
    """Let a value be what it is in the export."""
    graph.read_instead(value, graph.add_constant(graph.evaluated(value)))


@kind("shape-of-trace", "a shape is always that of the export")
def _(graph: Graph) -> Iterator[Place]:
    main = {node.output[0] for node in graph.model.graph.node}
    for node in graph.of("Reshape", "Expand", "Resize", "Tile"):
        index = 3 if node.op_type == "Resize" else 1
        computed = len(node.input) > index and graph.maker(node.input[index]) is not None
        if computed and node.output[0] in main and "Shape" in [one.op_type for one in graph.above(node.input[index])]:
            yield Place(node.name, partial(_freeze_input, node.name, index))


def _freeze_input(name: str, index: int, graph: Graph) -> None:
    graph.give(name, index, graph.evaluated(graph.node(name).input[index]))


@kind("axes-exchanged", "a map is transposed with height and width exchanged")
def _(graph: Graph) -> Iterator[Place]:
    for node in graph.of("Transpose"):
        order = list(attribute(node, "perm", []))
        if len(order) >= 3:
            for one in (len(order) - 2, 1):
                changed = list(order)
                changed[one], changed[one + 1] = changed[one + 1], changed[one]
                yield Place(f"{node.name} {order} to {changed}", partial(_set_order, node.name, changed))


def _set_order(name: str, order: list, graph: Graph) -> None:
    set_attribute(graph.node(name), "perm", order)


@kind("index-shifted", "a constant index is one more or less")
def _(graph: Graph) -> Iterator[Place]:
    for node, index, values in graph.constants("Gather", "Slice", "GatherND"):
        shape = graph.maker(node.input[0])
        if index and values.dtype == np.int64 and values.size == 1 and (shape is None or shape.op_type != "Shape"):
            value = int(values.reshape(-1)[0])
            if abs(value) < 2**31:
                for step in (1, -1) if value > 0 else (1,):
                    where = f"{node.name} {value} to {value + step}"
                    yield Place(where, partial(_give, node.name, index, values + step))


@kind("padding-ignored", "where the padding begins is not looked at")
def _(graph: Graph) -> Iterator[Place]:
    if "img_shape" in graph.inputs:
        yield Place("img_shape", _ignore_padding)


def _ignore_padding(graph: Graph) -> None:
    default = next(tensor for tensor in graph.model.graph.initializer if tensor.name == "img_shape")
    graph.read_instead("img_shape", graph.add_constant(onnx.numpy_helper.to_array(default)))
