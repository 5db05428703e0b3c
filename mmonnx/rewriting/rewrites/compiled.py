"""Compiled graphs, made so that torch's exporter keeps what they do."""

from typing import Any, Iterator, List

import torch

from ...support import ExportError

_TO = {
    "aten::Int": torch.int64,
    "aten::IntImplicit": torch.int64,
    "aten::Float": torch.float32,
    "aten::FloatImplicit": torch.float32,
    "aten::Bool": torch.bool,
}
"""The operators that make a Python number of a value, and what an ONNX tensor is that such a number is kept in."""
_ROUNDING = ("aten::ceil", "aten::floor")
_OF_FRACTIONS = ("aten::sqrt", "aten::log", "aten::log2", "aten::log10", "aten::log1p", "aten::exp")
"""Functions of ``math`` that ONNX has for fractions alone."""


def with_conversions(graph: Any) -> Any:
    """Have what Python does to numbers as operators of tensors: the exporter drops conversions, and what they cut off.

    Args:
        graph: a ``torch._C.Graph`` of any blocks, which is changed.

    Returns:
        The same graph.

    Raises:
        ExportError: it has a call that the exporter takes for another one.
    """
    for node in list(_nodes(graph)):
        if node.kind() in _TO:
            cast = _cast(graph, node, node.inputsAt(0), _TO[node.kind()])
            node.replaceInput(0, cast)
        elif node.kind() in _ROUNDING and node.output().type().kind() == "IntType":
            _make_whole(graph, node)
        elif node.kind() in _OF_FRACTIONS and node.inputsAt(0).type().kind() == "IntType":
            node.replaceInput(0, _number(graph, node, node.inputsAt(0), "aten::Float"))
        elif node.kind() == "prim::abs":
            _replace(graph, node, "aten::abs", [_tensor(graph, node, node.inputsAt(0))])
        elif node.kind() == "aten::floor_divide":
            _replace(graph, node, "aten::div", [*node.inputs(), _constant(graph, node, "floor")])
        elif node.kind() == "aten::floordiv" and node.output().type().kind() == "IntType":
            _divide_what_divides(graph, node)
        elif node.kind() == "aten::__interpolate":
            _check_interpolation(node)
    return graph


def _nodes(block: Any) -> Iterator[Any]:
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def _check_interpolation(node: Any) -> None:
    """Refuse a factor that is to be computed again from the size: the exporter takes it as it is."""
    _, _, factors, _, _, again = list(node.inputs())[:6]
    if again.toIValue() and factors.toIValue() is not None:
        raise ExportError(
            f"interpolate of compiled code recomputes its scale_factor {factors.toIValue()}",
            "recompute_scale_factor=False, or size=, where torch.jit has compiled it",
            "give the size, or the model before it is compiled",
        )


def _tensor(graph: Any, before: Any, value: Any) -> Any:
    """A value as a tensor, made in front of a node."""
    if value.type().kind() == "TensorType":
        return value
    return graph.create("prim::NumToTensor", [value], 1).insertBefore(before).output()


def _constant(graph: Any, before: Any, value: Any) -> Any:
    made = graph.insertConstant(value)
    made.node().moveBefore(before)
    return made


def _cast(graph: Any, before: Any, value: Any, dtype: torch.dtype) -> Any:
    """A value as a tensor of a type, made in front of a node."""
    inputs = [_tensor(graph, before, value)]
    inputs += [_constant(graph, before, constant) for constant in (dtype, False, False, None)]
    return graph.create("aten::to", inputs, 1).insertBefore(before).output()


def _number(graph: Any, before: Any, value: Any, kind: str) -> Any:
    """A value as a Python number, made in front of a node by one of ``_TO``."""
    number = graph.create(kind, [_cast(graph, before, value, _TO[kind])], 1).insertBefore(before).output()
    number.setType(torch._C.FloatType.get() if kind == "aten::Float" else torch._C.IntType.get())
    return number


def _make_whole(graph: Any, node: Any) -> None:
    """Have a whole number behind a node that gives one of a fraction."""
    whole = graph.create("aten::Int", [node.output()], 1).insertAfter(node)
    whole.output().setType(node.output().type())
    node.output().replaceAllUsesAfterNodeWith(whole, whole.output())
    whole.replaceInput(0, _cast(graph, whole, node.output(), torch.int64))


def _replace(graph: Any, node: Any, kind: str, inputs: List[Any]) -> None:
    """Have another operator of tensors for a node, whose output keeps its type."""
    made = graph.create(kind, inputs, 1).insertBefore(node).output()
    own = node.output().type()
    if own.kind() != "TensorType":
        number = graph.create("aten::Int" if own.kind() == "IntType" else "aten::Float", [made], 1)
        made = number.insertBefore(node).output()
        made.setType(own)
    node.output().replaceAllUsesWith(made)
    node.destroy()


def _divide_what_divides(graph: Any, node: Any) -> None:
    """Take the rest away before a whole number is divided: ONNX rounds to zero, and Python down."""
    whole = torch._C.IntType.get()
    number, by = node.inputs()
    rest = graph.create("aten::remainder", [number, by], 1).insertBefore(node).output()
    rest.setType(whole)
    less = graph.create("aten::sub", [number, rest], 1).insertBefore(node).output()
    less.setType(whole)
    node.replaceInput(0, less)
