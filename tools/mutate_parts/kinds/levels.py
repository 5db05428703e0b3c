"""Faults in the levels of a pyramid and in the RoIAlign of each."""

from functools import partial
from typing import Iterator, List, Tuple

import numpy as np
import onnx

from ..graphs import LAYERS, LAYOUT, NONLINEAR, Graph, attribute, set_attribute
from ..registry import Place, kind


def _scores(graph: Graph) -> Iterator[Tuple[onnx.NodeProto, str]]:
    """Each run of a scoring layer, and where its scores are: behind the sigmoid if it has one of its own."""
    weights = {layer.weight for layer in graph.scoring}
    for node in graph.of(*LAYERS):
        if weights & set(node.input[:2]):
            behind = [one for one in graph.below(node.output[0], LAYOUT, 6) if one.op_type in NONLINEAR]
            own = len(behind) == 1 and _is_of_one(graph, behind[0])
            yield node, behind[0].output[0] if own else node.output[0]


def _is_of_one(graph: Graph, node: onnx.NodeProto) -> bool:
    """Whether it is of the scores of one level and not of all."""
    return sum(one.op_type in LAYERS for one in graph.above(node.input[0], LAYOUT)) == 1


def _zeroed(graph: Graph, is_rpn: bool) -> Iterator[Place]:
    for node, value in _scores(graph):
        if node.name.startswith("rpn") == is_rpn:
            yield Place(f"{node.name}, scores 0", partial(_zero, value))


def _zero(value: str, graph: Graph) -> None:
    graph.insert_behind(value, "Mul", graph.add_constant(np.zeros((), np.float32)))


@kind("rpn-level-zero", "the scores of a level of the RPN are all 0", first=True)
def _(graph: Graph) -> Iterator[Place]:
    return _zeroed(graph, is_rpn=True)


@kind("level-zero", "the scores of a level, or of a head, are all 0")
def _(graph: Graph) -> Iterator[Place]:
    return _zeroed(graph, is_rpn=False)


@kind("levels-exchanged", "two of several maps or lists that are joined are in each other's place")
def _(graph: Graph) -> Iterator[Place]:
    for node in graph.of("Concat"):
        computed = [number for number, name in enumerate(node.input) if graph.maker(name) is not None]
        for one, other in zip(computed, computed[1:]):
            if node.input[one] != node.input[other]:
                yield Place(f"{node.name} inputs {one} and {other}", partial(_exchange, node.name, one, other))


def _exchange(name: str, one: int, other: int, graph: Graph) -> None:
    node = graph.node(name)
    node.input[one], node.input[other] = node.input[other], node.input[one]


def _level_bounds(graph: Graph) -> Iterator[onnx.NodeProto]:
    """What clips the levels of RoIs: a Clip of a rounded logarithm."""
    for node in graph.of("Clip"):
        above = [one.op_type for one in graph.above(node.input[0], ("Floor", "Div", "Add", "Mul", "Log", "Cast"), 6)]
        if "Floor" in above and "Log" in above and len(node.input) > 2:
            yield node


@kind("coarsest-roi-level-unused", "the coarsest level is never used for a RoI", first=True)
def _(graph: Graph) -> Iterator[Place]:
    for node in _level_bounds(graph):
        high = graph.constant(node.input[2]) if node.input[2] else None
        if high is not None:
            yield Place(f"{node.name} at most {float(high):g} - 1", partial(_set_bound, node.name, 2, high - 1))


@kind("finest-roi-level-unused", "the finest level is never used for a RoI")
def _(graph: Graph) -> Iterator[Place]:
    for node in _level_bounds(graph):
        low = graph.constant(node.input[1]) if node.input[1] else None
        if low is not None:
            yield Place(f"{node.name} at least {float(low):g} + 1", partial(_set_bound, node.name, 1, low + 1))


def _set_bound(name: str, index: int, value: np.ndarray, graph: Graph) -> None:
    graph.give(name, index, value)


@kind("roi-finest-scale", "RoIs are of a level from another size on")
def _(graph: Graph) -> Iterator[Place]:
    for clip in _level_bounds(graph):
        for node in graph.above(clip.input[0]):
            if node.op_type == "Log":
                for division in graph.above(node.input[0], ("Add",), 3):
                    if division.op_type == "Div" and graph.is_constant(division.input[1]):
                        scale = graph.constant(division.input[1]) * np.float32(1.1)
                        yield Place(f"{division.name} 1.1 times", partial(_set_bound, division.name, 1, scale))


def _aligns(graph: Graph) -> List[onnx.NodeProto]:
    return graph.of("RoiAlign")


@kind("roi-half-pixel", "the RoIs of a level are half a pixel off", first=True)
def _(graph: Graph) -> Iterator[Place]:
    """Before opset 16 it is taken from the RoIs; then it is a mode, whose default is half a pixel."""
    for node in _aligns(graph):
        if graph.opset >= 16:
            half = attribute(node, "coordinate_transformation_mode", b"half_pixel") == b"half_pixel"
            mode = b"output_half_pixel" if half else b"half_pixel"
            yield Place(node.name, partial(_set, node.name, "coordinate_transformation_mode", mode))
            continue
        shift = graph.maker(node.input[1])
        if shift is not None and shift.op_type == "Sub" and graph.is_constant(shift.input[1]):
            yield Place(node.name, partial(_unshift, node.name))
        else:  # RoIs as they were before mmdet 2: half a pixel is not taken off
            pixels = np.float32(0.5 / attribute(node, "spatial_scale", 1.0))
            yield Place(node.name, partial(_shift, node.name, pixels))


def _unshift(name: str, graph: Graph) -> None:
    node = graph.node(name)
    node.input[1] = graph.maker(node.input[1]).input[0]


def _shift(name: str, pixels: np.float32, graph: Graph) -> None:
    node = graph.node(name)
    moved = onnx.helper.make_node(
        "Sub", [node.input[1], graph.add_constant(pixels)], [f"{name}_shifted"], "planted/Sub"
    )
    graph.model.graph.node.insert(list(graph.model.graph.node).index(node), moved)
    node.input[1] = moved.output[0]


def _set(name: str, key: str, value: object, graph: Graph) -> None:
    set_attribute(graph.node(name), key, value)


@kind("roi-sampling", "the RoIs of a level are sampled at another number of points", first=True)
def _(graph: Graph) -> Iterator[Place]:
    for node in _aligns(graph):
        ratio = attribute(node, "sampling_ratio", 0)
        for other in {ratio - 1, ratio + 1} - {-1, 0} if ratio else {2}:
            yield Place(f"{node.name} {ratio} to {other}", partial(_set, node.name, "sampling_ratio", other))


@kind("roi-mode", "a RoI's greatest sample is taken, not the mean")
def _(graph: Graph) -> Iterator[Place]:
    for node in _aligns(graph):
        mode = b"max" if attribute(node, "mode", b"avg") == b"avg" else b"avg"
        yield Place(node.name, partial(_set, node.name, "mode", mode))


@kind("roi-scale", "RoIs are 1.02 times as large on the map of a level")
def _(graph: Graph) -> Iterator[Place]:
    for node in _aligns(graph):
        scale = attribute(node, "spatial_scale", 1.0) * 1.02
        yield Place(node.name, partial(_set, node.name, "spatial_scale", scale))


@kind("roi-map", "the RoIs of a level are cut out of the map of another one")
def _(graph: Graph) -> Iterator[Place]:
    nodes = _aligns(graph)
    for one, other in zip(nodes, nodes[1:]):
        if one.input[0] != other.input[0]:
            yield Place(f"{one.name} from {other.input[0]}", partial(_read, one.name, 0, other.input[0]))


def _read(name: str, index: int, value: str, graph: Graph) -> None:
    graph.node(name).input[index] = value


@kind("roi-image", "the RoIs of a level are all cut out of the first image's map")
def _(graph: Graph) -> Iterator[Place]:
    for node in _aligns(graph):
        yield Place(node.name, partial(_first_image, node.name))


def _first_image(name: str, graph: Graph) -> None:
    graph.compute_input(graph.node(name), 2, "Mul", graph.add_constant(np.zeros((), np.int64)))
