"""Faults in the rows of the batch, in the order of what is given, and in labels."""

from functools import partial
from typing import Iterator

import numpy as np
import onnx

from ..graphs import Graph
from ..registry import Place, kind

_LAST = 2**62


def _slice(value: str, result: str, axis: int, graph: Graph, start: int, end: int, step: int = 1) -> onnx.NodeProto:
    numbers = [graph.add_constant(np.array([number], np.int64)) for number in (start, end, axis, step)]
    return onnx.helper.make_node("Slice", [value, *numbers], [result])


def _batched(graph: Graph) -> bool:
    shape = graph.model.graph.input[0].type.tensor_type.shape.dim
    return bool(shape) and bool(shape[0].dim_param)


@kind("first-image", "every image is taken for the first one")
def _(graph: Graph) -> Iterator[Place]:
    if _batched(graph):
        yield Place(graph.inputs[0], partial(_only_first, graph.inputs[0]))


def _only_first(value: str, graph: Graph) -> None:
    names = [f"{value}_{part}" for part in ("first", "shape", "repeated")]
    graph.replace_by(
        value,
        [
            _slice(value, names[0], 0, graph, 0, 1),
            onnx.helper.make_node("Shape", [value], [names[1]]),
            onnx.helper.make_node("Expand", names[:2], [names[2]]),
        ],
    )


@kind("images-reversed", "an output, or all of them, gives the last image's answer first")
def _(graph: Graph) -> Iterator[Place]:
    if _batched(graph):
        for outputs in ([graph.outputs] if len(graph.outputs) > 1 else []) + [[name] for name in graph.outputs]:
            yield Place(" and ".join(outputs), partial(_reverse, tuple(outputs), 0))


@kind("order-reversed", "the last detection comes first")
def _(graph: Graph) -> Iterator[Place]:
    if {"dets", "labels"} <= set(graph.outputs):
        listed = tuple(name for name in graph.outputs if name != "panoptic_seg")
        yield Place(" and ".join(listed), partial(_reverse, listed, 1))
        yield Place("labels", partial(_reverse, ("labels",), 1))


def _reverse(outputs, axis: int, graph: Graph) -> None:
    for name in outputs:
        graph.replace_by(name, [_slice(name, f"{name}_reversed", axis, graph, -1, -_LAST, -1)])


@kind("label-shifted", "labels are one more than they should be")
def _(graph: Graph) -> Iterator[Place]:
    values = [value.name for value in graph.model.graph.output if value.type.tensor_type.elem_type == 7]
    for name in dict.fromkeys(values + [node.output[0] for node in graph.of("ArgMax")]):
        yield Place(name, partial(_add_one, name))


def _add_one(value: str, graph: Graph) -> None:
    graph.insert_behind(value, "Add", graph.add_constant(np.ones((), np.int64)))


@kind("channels-reversed", "the colours of the input are taken in reverse order")
def _(graph: Graph) -> Iterator[Place]:
    shape = graph.model.graph.input[0].type.tensor_type.shape.dim
    if len(shape) == 4 and shape[1].dim_value == 3:
        yield Place(graph.inputs[0], partial(_reverse_channels, graph.inputs[0]))


def _reverse_channels(value: str, graph: Graph) -> None:
    graph.replace_by(value, [_slice(value, f"{value}_reversed", 1, graph, -1, -_LAST, -1)])
