"""Faults in weights and biases."""

from functools import partial
from typing import Callable, Iterator, Sequence

import numpy as np

from ..graphs import Graph, Layer
from ..registry import Place, kind

Change = Callable[[np.ndarray], np.ndarray]


def _set(name: str, change: Change, graph: Graph) -> None:
    graph.set_constant(name, change(graph.constant(name)))


def _places(layers: Sequence[Layer], change: Callable[[Layer], Change], note: str = "") -> Iterator[Place]:
    for layer in layers:
        yield Place(f"{layer.path}{note}", partial(_set, layer.weight, change(layer)))


def _flipped(values: np.ndarray) -> np.ndarray:
    values.reshape(-1)[np.abs(values).argmax()] *= -1
    return values


def _row(axis: int, number: int, change: Change, values: np.ndarray) -> np.ndarray:
    """The weights with one row, that of an output channel, changed."""
    rows = np.moveaxis(values, axis, 0)
    rows[number] = change(rows[number])
    return values


def _five_per_cent_more(values: np.ndarray) -> np.ndarray:
    return values * np.float32(1.05)


@kind("weight-sign", "the largest weight of a layer has the other sign")
def _(graph: Graph) -> Iterator[Place]:
    return _places(graph.layers, lambda layer: _flipped)


@kind("fpn-weight-sign", "the largest weight of an FPN convolution has the other sign", first=True)
def _(graph: Graph) -> Iterator[Place]:
    return _places([layer for layer in graph.layers if "fpn_conv" in layer.path], lambda layer: _flipped)


@kind("weight-row", "the weights of one output channel are 1.05 times as large")
def _(graph: Graph) -> Iterator[Place]:
    return _places(graph.layers, lambda layer: partial(_row, layer.axis, 0, _five_per_cent_more), " row 0")


@kind("class-row", "the weights of one class are 1.05 times as large", first=True)
def _(graph: Graph) -> Iterator[Place]:
    for layer in graph.scoring:
        rows = graph.constant(layer.weight).shape[layer.axis]
        for row in sorted({0, rows // 2, rows - 1}):
            change = partial(_row, layer.axis, row, _five_per_cent_more)
            yield Place(f"{layer.path} row {row}", partial(_set, layer.weight, change))


@kind("class-order", "two classes are exchanged")
def _(graph: Graph) -> Iterator[Place]:
    for layer in graph.scoring:
        rows = graph.constant(layer.weight).shape[layer.axis]
        if rows > 1:
            for row in sorted({0, rows // 2, rows - 2}):
                yield Place(f"{layer.path} rows {row} and {row + 1}", partial(_exchange_rows, layer, row))


def _exchange_rows(layer: Layer, row: int, graph: Graph) -> None:
    for name, axis in ((layer.weight, layer.axis), (layer.bias, 0)):
        if name is not None:
            values = graph.constant(name)
            rows = np.moveaxis(values, axis, 0)
            rows[[row, row + 1]] = rows[[row + 1, row]]
            graph.set_constant(name, values)


@kind("layers-exchanged", "two layers of the same shape have each other's weights")
def _(graph: Graph) -> Iterator[Place]:
    known = {}
    for layer in graph.layers:
        shape = graph.constant(layer.weight).shape
        if shape in known:
            yield Place(f"{known[shape].path} and {layer.path}", partial(_exchange, known[shape].weight, layer.weight))
        known[shape] = layer


def _exchange(one: str, other: str, graph: Graph) -> None:
    first, second = graph.constant(one), graph.constant(other)
    graph.set_constant(one, second)
    graph.set_constant(other, first)


@kind("kernel-transposed", "the kernel of a layer is transposed")
def _(graph: Graph) -> Iterator[Place]:
    for layer in graph.layers:
        shape = graph.constant(layer.weight).shape
        if len(shape) > 1 and shape[-1] == shape[-2] > 1:
            yield Place(layer.path, partial(_set, layer.weight, lambda values: values.swapaxes(-1, -2)))


@kind("channel-zeroed", "a layer does not see one of its input channels")
def _(graph: Graph) -> Iterator[Place]:
    for layer in graph.layers:
        shape = graph.constant(layer.weight).shape
        other = 1 - layer.axis if len(shape) > 1 else 0
        for channel in sorted({0, shape[other] - 1} if shape[other] > 1 else ()):
            change = partial(_row, other, channel, np.zeros_like)
            yield Place(f"{layer.path} input channel {channel}", partial(_set, layer.weight, change))


@kind("row-zeroed", "one output channel of a layer has no weights")
def _(graph: Graph) -> Iterator[Place]:
    return _places(graph.layers, lambda layer: partial(_row, layer.axis, -1, np.zeros_like), " last row")


@kind("weights-coarse", "the weights of a layer are rounded to bfloat16")
def _(graph: Graph) -> Iterator[Place]:
    return _places(graph.layers, lambda layer: _coarse)


def _coarse(values: np.ndarray) -> np.ndarray:
    return (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


@kind("bias", "one value of a bias is 0.02 more or less")
def _(graph: Graph) -> Iterator[Place]:
    return _biases(graph, graph.layers, (0.02, -0.02))


@kind("class-bias", "the bias of a class is 0.02 more or less")
def _(graph: Graph) -> Iterator[Place]:
    return _biases(graph, graph.scoring, (0.02, -0.02))


@kind("rpn-class-bias", "the bias of the RPN's scores is 0.02 more", first=True)
def _(graph: Graph) -> Iterator[Place]:
    return _biases(graph, [layer for layer in graph.scoring if layer.path.startswith("rpn")], (0.02,), every=True)


@kind("box-bias", "the bias of the boxes is 0.02 more", first=True)
def _(graph: Graph) -> Iterator[Place]:
    return _biases(graph, graph.boxing, (0.02,), every=True)


def _biases(graph: Graph, layers: Sequence[Layer], steps: Sequence[float], every: bool = False) -> Iterator[Place]:
    for layer in layers:
        if layer.bias is None:
            continue
        for number in sorted({0, graph.size(layer.bias) - 1}):
            for step in steps:
                where = f"{layer.path} bias {number} {step:+}"
                yield Place(where, partial(_set, layer.bias, partial(_more, number, step)))
        if every:
            for step in steps:
                yield Place(f"{layer.path} bias {step:+}", partial(_set, layer.bias, partial(_more, slice(None), step)))


def _more(number: int, step: float, values: np.ndarray) -> np.ndarray:
    values.reshape(-1)[number] += step
    return values


@kind("bias-dropped", "a layer has no bias")
def _(graph: Graph) -> Iterator[Place]:
    for layer in graph.layers:
        if layer.bias is not None and np.abs(graph.constant(layer.bias)).max() > 0:
            yield Place(layer.path, partial(_set, layer.bias, np.zeros_like))
