"""Faults in how boxes and masks are made of what the layers give."""

from functools import partial
from typing import Iterator

import numpy as np

from ..graphs import Graph
from ..registry import Place, kind


def _give(name: str, index: int, values: np.ndarray, graph: Graph) -> None:
    graph.give(name, index, values)


def _anchors(graph: Graph):
    """Constant boxes: rows (x1, y1, x2, y2) around their centres."""
    for node in graph.nodes:
        for index, name in enumerate(node.input):
            if name and graph.is_constant(name) and graph.size(name) >= 4:
                boxes = graph.constant(name)
                if boxes.dtype == np.float32 and boxes.ndim > 1 and boxes.shape[-1] == 4 and _are_boxes(boxes):
                    yield node, index, boxes


def _are_boxes(boxes: np.ndarray) -> bool:
    sides = boxes[..., 2:] - boxes[..., :2]
    return bool((sides > 1).all() and (boxes[..., :2] <= 0).any())


@kind("anchor-size", "anchors are 1.02 times as large")
def _(graph: Graph) -> Iterator[Place]:
    for node, index, boxes in _anchors(graph):
        yield Place(f"{node.name} all", partial(_give, node.name, index, boxes * np.float32(1.02)))
        one = boxes.copy()
        one.reshape(-1, 4)[-1] *= np.float32(1.02)
        yield Place(f"{node.name} the last", partial(_give, node.name, index, one))


@kind("anchor-offset", "anchors are half a pixel off")
def _(graph: Graph) -> Iterator[Place]:
    for node, index, boxes in _anchors(graph):
        yield Place(f"{node.name} all", partial(_give, node.name, index, boxes + np.float32(0.5)))


@kind("stride", "the cells of a level are a pixel further apart")
def _(graph: Graph) -> Iterator[Place]:
    """Strides are constants that are multiplied with counted cells: powers of two, alone or in a table of levels."""
    for node in graph.of("Mul", "Gather"):
        for index, name in enumerate(node.input):
            if name and graph.is_constant(name) and graph.size(name) <= 16:
                values = graph.constant(name)
                if values.dtype == np.float32 and values.size and _are_strides(values):
                    changed = values.copy()
                    changed.reshape(-1)[-1] += 1
                    yield Place(f"{node.name} {values.reshape(-1)[-1]:g}", partial(_give, node.name, index, changed))


def _are_strides(values: np.ndarray) -> bool:
    return bool(np.isin(values, 2.0 ** np.arange(2, 8)).all())


@kind("box-factors", "the factors of boxes are 1.02 times as large")
def _(graph: Graph) -> Iterator[Place]:
    """Deviations of deltas: vectors of four, or of four for each class."""
    for node, index, values in graph.constants("Mul", "Div"):
        repeated = values.size >= 4 and values.size % 4 == 0 and values.shape[-1:] == (values.size,)
        if values.dtype == np.float32 and repeated and (values == np.tile(values[:4], values.size // 4)).all():
            for place in range(4):
                changed = values.copy()
                changed[place::4] *= np.float32(1.02)
                yield Place(f"{node.name} {place}", partial(_give, node.name, index, changed))


@kind("size-limit", "how far boxes may grow is another")
def _(graph: Graph) -> Iterator[Place]:
    for node in graph.of("Exp"):
        clip = graph.maker(node.input[0])
        if clip is not None and clip.op_type in ("Clip", "Min"):
            for index in range(1, len(clip.input)):
                values = graph.constant(clip.input[index]) if clip.input[index] else None
                if values is not None:
                    for factor in (0.9, 0.1):
                        changed = values * np.float32(factor)
                        where = f"{clip.name} {float(values):.3g} to {float(changed):.3g}"
                        yield Place(where, partial(_give, clip.name, index, changed))


@kind("mask-threshold", "masks begin at 0.4 or 0.6 and not at 0.5")
def _(graph: Graph) -> Iterator[Place]:
    for node, index, values in graph.constants("Greater", "GreaterOrEqual", "Less", "LessOrEqual"):
        if values.dtype == np.float32 and values.size == 1 and _of_masks(graph, node):
            for step in (0.1, -0.1):
                where = f"{node.name} {float(values.reshape(-1)[0]):g} {step:+}"
                yield Place(where, partial(_give, node.name, index, values + np.float32(step)))


@kind("mask-offset", "masks are pasted half a pixel off")
def _(graph: Graph) -> Iterator[Place]:
    for node, index, values in graph.constants("Add", "Sub"):
        if values.dtype == np.float32 and values.size == 1 and _of_masks(graph, node):
            for step in (0.5, -0.5):
                where = f"{node.name} {float(values.reshape(-1)[0]):g} {step:+}"
                yield Place(where, partial(_give, node.name, index, values + np.float32(step)))


@kind("mask-factor", "masks are pasted 1.01 times as large, or with other weights")
def _(graph: Graph) -> Iterator[Place]:
    for node, index, values in graph.constants("Mul", "Div"):
        if values.dtype == np.float32 and _of_masks(graph, node):
            yield Place(node.name, partial(_give, node.name, index, values * np.float32(1.01)))


def _of_masks(graph: Graph, node) -> bool:
    """Whether masks alone depend on it."""
    return graph.reaches(node.output[0]) == {"masks"}
