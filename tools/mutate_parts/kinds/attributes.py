"""Faults in operators and their attributes: convolutions, pooling, norms, activations, resizing."""

from functools import partial
from typing import Any, Callable, Iterator, NamedTuple, Optional, Tuple

import numpy as np
import onnx

from ..graphs import Graph, attribute, set_attribute
from ..registry import Place, kind


class Other(NamedTuple):
    """A kind that gives an attribute of an operator another value: of the value, the others; none, no place."""

    name: str
    plants: str
    operators: Tuple[str, ...]
    attribute: str
    default: Any
    others: Callable[[Any], Tuple[Any, ...]]


def _shifted(pads: Tuple[int, ...]) -> Tuple[Any, ...]:
    """Pads that leave the size as it is and move what is padded by a pixel, along each axis."""
    half = len(pads) // 2
    found = []
    for axis in range(half):
        if pads[axis] > 0:
            moved = list(pads)
            moved[axis], moved[axis + half] = moved[axis] - 1, moved[axis + half] + 1
            found.append(moved)
    return tuple(found)


def _others(*values: Any) -> Callable[[Any], Tuple[Any, ...]]:
    return lambda value: tuple(other for other in values if other != value)


_CONVOLUTIONS = ("Conv", "ConvTranspose")
_NORMS = ("BatchNormalization", "InstanceNormalization", "LayerNormalization", "GroupNormalization")
OTHERS = (
    Other("conv-pads", "a convolution pads a pixel more on one side", _CONVOLUTIONS, "pads", (), _shifted),
    Other("pool-pads", "a pooling pads a pixel more on one side", ("MaxPool", "AveragePool"), "pads", (), _shifted),
    Other(
        "pool-count", "an average takes in the padding, or not", ("AveragePool",), "count_include_pad", 0, _others(0, 1)
    ),
    Other("norm-eps", "the epsilon of a norm is 100 times as large", _NORMS, "epsilon", 1e-5, lambda eps: (100 * eps,)),
    Other("leaky-slope", "the slope of a leaky ReLU is another", ("LeakyRelu",), "alpha", 0.01, lambda a: (1.2 * a,)),
    Other("gemm-alpha", "the product of a layer is scaled", ("Gemm",), "alpha", 1.0, lambda alpha: (1.01 * alpha,)),
    Other("softmax-axis", "a softmax is along another axis", ("Softmax",), "axis", -1, lambda a: (a - 1 if a else 1,)),
    Other(
        "resize-mode",
        "a map is resized by another interpolation",
        ("Resize",),
        "mode",
        b"nearest",
        _others(b"nearest", b"linear"),
    ),
    Other(
        "resize-coordinates",
        "a map is resized with other places of its pixels",
        ("Resize",),
        "coordinate_transformation_mode",
        b"half_pixel",
        _others(b"half_pixel", b"asymmetric", b"align_corners"),
    ),
    Other(
        "resize-nearest",
        "a map is resized with other roundings of its places",
        ("Resize",),
        "nearest_mode",
        b"round_prefer_floor",
        _others(b"floor", b"ceil", b"round_prefer_floor"),
    ),
)


def _register(other: Other) -> None:
    @kind(other.name, other.plants)
    def _(graph: Graph) -> Iterator[Place]:
        for node in graph.of(*other.operators):
            value = attribute(node, other.attribute, other.default)
            for new in other.others(value):
                if other.attribute == "nearest_mode" and attribute(node, "mode", b"nearest") != b"nearest":
                    continue
                where = f"{node.name} {other.attribute} {_text(value)} to {_text(new)}"
                yield Place(where, partial(_set, node.name, other.attribute, new))


for _other in OTHERS:
    _register(_other)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else f"{value:.4g}" if isinstance(value, float) else str(value)


def _set(name: str, key: str, value: Any, graph: Graph) -> None:
    set_attribute(graph.node(name), key, value)


@kind("conv-dilation", "a convolution is dilated, padded so that the size stays")
def _(graph: Graph) -> Iterator[Place]:
    for node in graph.of("Conv"):
        kernel, dilations = attribute(node, "kernel_shape"), attribute(node, "dilations")
        pads = attribute(node, "pads")
        if kernel and dilations and pads and all(side > 1 and side % 2 for side in kernel):
            yield Place(f"{node.name} dilations {dilations}", partial(_dilate, node.name))


def _dilate(name: str, graph: Graph) -> None:
    node = graph.node(name)
    kernel, pads = attribute(node, "kernel_shape"), attribute(node, "pads")
    set_attribute(node, "dilations", [dilation + 1 for dilation in attribute(node, "dilations")])
    set_attribute(node, "pads", [pad + (side - 1) // 2 for pad, side in zip(pads, [*kernel, *kernel])])


@kind("pool-kind", "a maximum is taken for an average, or the other way round")
def _(graph: Graph) -> Iterator[Place]:
    swapped = {"MaxPool": "AveragePool", "AveragePool": "MaxPool"}
    swapped.update({"GlobalAveragePool": "GlobalMaxPool", "GlobalMaxPool": "GlobalAveragePool"})
    for node in graph.of(*swapped):
        if len(node.output) == 1 and np.prod(attribute(node, "kernel_shape", [2])) > 1:
            yield Place(node.name, partial(_become_pool, node.name, swapped[node.op_type]))


def _become_pool(name: str, operator: str, graph: Graph) -> None:
    node = graph.node(name)
    kept = {"kernel_shape", "strides", "pads", "auto_pad"} | ({"ceil_mode"} if graph.opset > 9 else set())
    others = [one for one in node.attribute if one.name in kept]
    node.op_type = operator
    del node.attribute[:]
    node.attribute.extend(others)


@kind("reduce-kind", "a mean is taken for a maximum, a maximum for a mean, a sum for a mean")
def _(graph: Graph) -> Iterator[Place]:
    other = {"ReduceMean": "ReduceMax", "ReduceMax": "ReduceMin", "ReduceMin": "ReduceMax", "ReduceSum": "ReduceMax"}
    for node in graph.of(*other):
        if len(node.input) == 1:  # axes are an input of a sum from opset 13 on
            yield Place(f"{node.name} to {other[node.op_type]}", partial(_become, node.name, other[node.op_type]))


def _become(name: str, operator: str, graph: Graph, **attributes: Any) -> None:
    node = graph.node(name)
    node.op_type = operator
    if attributes:
        del node.attribute[:]
        node.attribute.extend(onnx.helper.make_attribute(key, value) for key, value in attributes.items())


@kind("activation-dropped", "an activation is left out")
def _(graph: Graph) -> Iterator[Place]:
    for node in graph.of("Relu", "LeakyRelu", "HardSwish", "Elu", "Tanh", "Erf", "Mish", "PRelu", "Gelu"):
        yield Place(node.name, partial(_pass, node.name))


def _pass(name: str, graph: Graph) -> None:
    node = graph.node(name)
    node.op_type = "Identity"
    del node.attribute[:]
    del node.input[1:]


@kind("relu-leaky", "a ReLU lets a hundredth of what is negative through")
def _(graph: Graph) -> Iterator[Place]:
    for node in graph.of("Relu"):
        yield Place(node.name, partial(_become, node.name, "LeakyRelu", alpha=0.01))


@kind("sigmoid-hard", "a sigmoid is a hard one, or the other way round")
def _(graph: Graph) -> Iterator[Place]:
    for node in graph.of("Sigmoid"):
        yield Place(node.name, partial(_become, node.name, "HardSigmoid", alpha=0.2, beta=0.5))
    for node in graph.of("HardSigmoid"):
        yield Place(node.name, partial(_pass_as, node.name, "Sigmoid"))


def _pass_as(name: str, operator: str, graph: Graph) -> None:
    _pass(name, graph)
    graph.node(name).op_type = operator


@kind("residual-dropped", "one of two maps that are added is left out")
def _(graph: Graph) -> Iterator[Place]:
    for node in graph.of("Add"):
        makers = [graph.maker(name) for name in node.input]
        if all(maker is not None and maker.op_type in ("Conv", "Relu", "Add", "MatMul", "Resize") for maker in makers):
            for index in (0, 1):
                yield Place(f"{node.name} without input {1 - index}", partial(_only, node.name, index))


def _only(name: str, index: int, graph: Graph) -> None:
    node = graph.node(name)
    node.op_type = "Identity"
    node.input[:] = [node.input[index]]


@kind("pad-value", "a map is padded with another value")
def _(graph: Graph) -> Iterator[Place]:
    for node in graph.of("Pad"):
        if attribute(node, "mode", b"constant") == b"constant" and graph.opset >= 11:
            yield Place(f"{node.name} with 0.5", partial(_pad_with, node.name))


def _pad_with(name: str, graph: Graph) -> None:
    node = graph.node(name)
    given: Optional[np.ndarray] = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    value = (
        np.full((), 0.5, np.float32) if given is None else np.full_like(given, 0.5 if given.dtype.kind == "f" else 1)
    )
    node.input[:] = [*node.input[:2], graph.add_constant(value), *node.input[3:]]
