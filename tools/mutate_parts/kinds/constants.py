"""Faults in constants that are no weights: thresholds, limits, bounds, factors."""

from functools import partial
from typing import Iterator, List, Tuple

import numpy as np
import onnx

from ..graphs import Graph, attribute, set_attribute
from ..registry import Place, kind

_ARITHMETIC = ("Add", "Sub", "Mul", "Div", "Pow")
_COUNTED = (
    "Where",
    "Less",
    "Min",
    "Reshape",
    "Cast",
    "Unsqueeze",
    "Squeeze",
    "Concat",
    "Greater",
    "Identity",
    "Gather",
)
"""What a number of candidates is made with: ``min(nms_pre, all)``."""
_MANY, _FEW = 100, 40


def _given(node: onnx.NodeProto, index: int, values: np.ndarray, note: str = "") -> Place:
    """The place at which an input of a node becomes a constant of its own."""
    shown = f" to {values.reshape(-1)[0]:.6g}" if values.size == 1 else ""
    return Place(f"{node.name}{shown}{note}", partial(_give, node.name, index, values))


def _give(name: str, index: int, values: np.ndarray, graph: Graph) -> None:
    graph.give(name, index, values)


@kind("constant-scaled", "a float constant is 1.01 times as large")
def _(graph: Graph) -> Iterator[Place]:
    for node, index, values in graph.constants(*_ARITHMETIC):
        if values.dtype == np.float32 and np.abs(values).max(initial=0) > 1e-4:
            yield _given(node, index, values * np.float32(1.01))


@kind("constant-shifted", "a float constant is 0.02 more")
def _(graph: Graph) -> Iterator[Place]:
    for node, index, values in graph.constants("Add", "Sub"):
        if values.dtype == np.float32:
            yield _given(node, index, values + np.float32(0.02))


@kind("epsilon", "an epsilon that is added is 100 times as large")
def _(graph: Graph) -> Iterator[Place]:
    for node, index, values in graph.constants("Add", "Max", "Clip"):
        if values.dtype.kind == "f" and values.size == 1 and 0 < values.reshape(-1)[0] <= 1e-4:
            yield _given(node, index, values * values.dtype.type(100))


@kind("bound", "a bound to which values are clipped is another")
def _(graph: Graph) -> Iterator[Place]:
    for node, index, values in graph.constants("Clip", "Min", "Max"):
        if values.dtype.kind == "f" and values.size == 1:
            value = float(values.reshape(-1)[0])
            changed = value * 0.9 if value else 0.1
            yield _given(node, index, np.full_like(values, changed))
    for node in graph.of("Clip"):  # before opset 11
        for key in ("min", "max"):
            if attribute(node, key) is not None:
                yield Place(f"{node.name} {key}", partial(_scale_bound, node.name, key))


def _scale_bound(name: str, key: str, graph: Graph) -> None:
    node = graph.node(name)
    set_attribute(node, key, attribute(node, key) * 0.9 or 0.1)


@kind("bound-dropped", "values are not clipped on one side")
def _(graph: Graph) -> Iterator[Place]:
    for node in graph.of("Clip"):
        for index in range(1, len(node.input)):
            if node.input[index]:
                where = f"{node.name} without its {('', 'lower', 'upper')[index]} bound"
                yield Place(where, partial(_drop_input, node.name, index))


def _drop_input(name: str, index: int, graph: Graph) -> None:
    graph.node(name).input[index] = ""


@kind("score-threshold", "detections need a score that is 0.01 higher", first=True)
def _(graph: Graph) -> Iterator[Place]:
    """Of NMS, or of a comparison with what a sigmoid or a softmax gives."""
    for node in graph.of("NonMaxSuppression"):
        if len(node.input) > 4 and graph.is_constant(node.input[4]) and graph.constant(node.input[4])[0] >= 0:
            yield _given(node, 4, graph.constant(node.input[4]) + np.float32(0.01))
    for node, index, values in graph.constants("Greater", "GreaterOrEqual", "Less", "LessOrEqual"):
        if values.dtype.kind == "f" and values.size == 1 and 0 < values.reshape(-1)[0] < 1:
            yield _given(node, index, values + values.dtype.type(0.01))


@kind("nms-overlap", "NMS lets boxes overlap by 0.02 to 0.1 more, or less")
def _(graph: Graph) -> Iterator[Place]:
    for node in graph.of("NonMaxSuppression"):
        if len(node.input) > 3 and graph.is_constant(node.input[3]):
            values = graph.constant(node.input[3])
            for step in (0.02, -0.02, 0.1, -0.1):
                yield _given(node, 3, values + np.float32(step))


@kind("nms-limit", "NMS keeps half as many boxes of a class")
def _(graph: Graph) -> Iterator[Place]:
    for node in graph.of("NonMaxSuppression"):
        if graph.is_constant(node.input[2]) and graph.constant(node.input[2])[0] > 1:
            yield _given(node, 2, graph.constant(node.input[2]) // 2)


@kind("nms-corners", "NMS takes corners for centres and sizes, or the other way round")
def _(graph: Graph) -> Iterator[Place]:
    for node in graph.of("NonMaxSuppression"):
        centres = 1 - attribute(node, "center_point_box", 0)
        yield Place(node.name, partial(_set_centres, node.name, centres))


def _set_centres(name: str, centres: int, graph: Graph) -> None:
    set_attribute(graph.node(name), "center_point_box", centres)


def _limits(graph: Graph) -> List[Tuple[onnx.NodeProto, str]]:
    """Each TopK and the constant that bounds how many it keeps."""
    found = []
    for node in graph.of("TopK"):
        names = [node.input[1]]
        names += [name for one in graph.above(node.input[1], _COUNTED, 6) for name in one.input]
        bounds = [name for name in names if name and graph.is_constant(name) and _is_bound(graph.constant(name))]
        if bounds:
            found.append((node, max(bounds, key=lambda name: int(graph.constant(name).reshape(-1)[0]))))
    return found


def _is_bound(values: np.ndarray) -> bool:
    return values.dtype == np.int64 and values.size == 1 and 3 < values.reshape(-1)[0] < 2**31


def _bounded(name: str, bound: str, number: int, graph: Graph) -> None:
    """Let a TopK keep at most another number: the constant is another in all that its number is made with."""
    node = graph.node(name)
    new = graph.add_constant(np.full_like(graph.constant(bound), number))
    for one in [*graph.above(node.input[1], _COUNTED, 6)]:
        one.input[:] = [new if value == bound else value for value in one.input]
    if node.input[1] == bound:
        node.input[1] = new


def _limited(graph: Graph, last: bool) -> Iterator[Tuple[onnx.NodeProto, str, int]]:
    """The TopKs that keep candidates, or the last ones, with the constants by which they do and what these are."""
    limits = _limits(graph)
    for node, bound in limits:
        below = {id(one) for name in node.output for one in graph.below(name)}
        others = [other for other, _ in limits] + graph.of("NonMaxSuppression")
        if last != any(id(other) in below for other in others):
            yield node, bound, int(graph.constant(bound).reshape(-1)[0])


@kind("detections-limit", "there are at most 40 detections", first=True)
def _(graph: Graph) -> Iterator[Place]:
    for node, bound, number in _limited(graph, last=True):
        if number >= _MANY:
            yield Place(f"{node.name} {number} to {_FEW}", partial(_bounded, node.name, bound, _FEW))


@kind("candidates-limit", "half as many candidates are kept")
def _(graph: Graph) -> Iterator[Place]:
    for node, bound, number in _limited(graph, last=False):
        yield Place(f"{node.name} {number} to {number // 2}", partial(_bounded, node.name, bound, number // 2))


@kind("topk-smallest", "the smallest are kept in place of the largest")
def _(graph: Graph) -> Iterator[Place]:
    for node in graph.of("TopK"):
        yield Place(node.name, partial(_turn, node.name))


def _turn(name: str, graph: Graph) -> None:
    node = graph.node(name)
    set_attribute(node, "largest", 1 - attribute(node, "largest", 1))


@kind("branches-exchanged", "a Where takes one for the other")
def _(graph: Graph) -> Iterator[Place]:
    for node in graph.of("Where"):
        yield Place(node.name, partial(_exchange_inputs, node.name))


def _exchange_inputs(name: str, graph: Graph) -> None:
    node = graph.node(name)
    node.input[1], node.input[2] = node.input[2], node.input[1]


@kind("comparison", "a comparison is the other way round")
def _(graph: Graph) -> Iterator[Place]:
    other = {"Less": "Greater", "Greater": "Less", "LessOrEqual": "GreaterOrEqual", "GreaterOrEqual": "LessOrEqual"}
    for node in graph.of(*other):
        yield Place(node.name, partial(_compare, node.name, other[node.op_type]))


def _compare(name: str, operator: str, graph: Graph) -> None:
    graph.node(name).op_type = operator


@kind("rounding", "a place is rounded up that is rounded down, or the other way round")
def _(graph: Graph) -> Iterator[Place]:
    other = {"Floor": "Ceil", "Ceil": "Floor", "Round": "Floor"}
    for node in graph.of(*other):
        yield Place(node.name, partial(_compare, node.name, other[node.op_type]))
