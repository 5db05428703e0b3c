"""Compiled graphs, made so that torch's exporter keeps what they do."""

from typing import Any, Iterator

import torch

_TO = {
    "aten::Int": torch.int64,
    "aten::IntImplicit": torch.int64,
    "aten::Float": torch.float32,
    "aten::FloatImplicit": torch.float32,
    "aten::Bool": torch.bool,
}
"""The operators that make a Python number of a value, and what an ONNX tensor is that such a number is kept in."""
_ROUNDING = ("aten::ceil", "aten::floor")


def with_conversions(graph: Any) -> Any:
    """Have the conversions to Python numbers as casts of tensors: the exporter drops them, and what they cut off.

    Args:
        graph: a ``torch._C.Graph`` of any blocks, which is changed.

    Returns:
        The same graph.
    """
    for node in list(_nodes(graph)):
        if node.kind() in _TO:
            cast = _cast(graph, node, node.inputsAt(0), _TO[node.kind()])
            node.replaceInput(0, cast)
        elif node.kind() in _ROUNDING and node.output().type().kind() == "IntType":
            _make_whole(graph, node)
    return graph


def _nodes(block: Any) -> Iterator[Any]:
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def _cast(graph: Any, before: Any, value: Any, dtype: torch.dtype) -> Any:
    """A value as a tensor of a type, made in front of a node."""
    if value.type().kind() != "TensorType":
        value = graph.create("prim::NumToTensor", [value], 1).insertBefore(before).output()
    inputs = [value]
    for constant in (dtype, False, False, None):
        made = graph.insertConstant(constant)
        made.node().moveBefore(before)
        inputs.append(made)
    return graph.create("aten::to", inputs, 1).insertBefore(before).output()


def _make_whole(graph: Any, node: Any) -> None:
    """Have a whole number behind a node that gives one of a fraction."""
    whole = graph.create("aten::Int", [node.output()], 1).insertAfter(node)
    whole.output().setType(node.output().type())
    node.output().replaceAllUsesAfterNodeWith(whole, whole.output())
    whole.replaceInput(0, _cast(graph, whole, node.output(), torch.int64))
