"""A quantized file without what each layer brings anew: zeros, which are the default, and names made of long names."""

from typing import Dict, Iterator, List, Set, Tuple

import onnx

from ..graph import pruned, walk_nodes

_WHOLE = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8, onnx.TensorProto.INT32)
_CONVOLUTIONS = ("Conv", "ConvTranspose")
_ZERO = 2
"""The input of DequantizeLinear that holds the zero point."""
_QUANTIZED = "_quantized"
"""What ONNX Runtime puts behind the name of a constant that it quantizes."""
_SHORT = {"QuantizeLinear": "q", "DequantizeLinear": "d"}
"""How nodes, and what they give, are called in short."""


def slim(model: onnx.ModelProto, source: onnx.ModelProto) -> onnx.ModelProto:
    """The model, changed in place: smaller, with the same numbers.

    Args:
        model: quantized.
        source: the model in float32, whose names stay.
    """
    _without_zeros(model)
    _without_repeats(model)
    pruned(model)
    _rename(model, _short_names(model, set(_names(source))))
    del model.graph.value_info[:]  # shapes that are inferred again where somebody asks for them
    return model


def _without_zeros(model: onnx.ModelProto) -> None:
    """No zero points for weights and biases of convolutions whose zero points are all 0: as many as channels.

    Of matrix products they stay: ONNX Runtime fuses these with zero points alone (1.32), or goes wrong (1.19).
    """
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    of_convolutions = {name for node in model.graph.node if node.op_type in _CONVOLUTIONS for name in node.input}
    for node in model.graph.node:
        # the constant that is read has a type, and 0 is the default; of an activation the zero point tells the type
        constant = node.op_type == "DequantizeLinear" and node.input[0] in stored
        if not constant or len(node.input) <= _ZERO or node.output[0] not in of_convolutions:
            continue
        zero = stored.get(node.input[_ZERO])
        if zero is not None and zero.dims and not onnx.numpy_helper.to_array(zero).any():
            del node.input[_ZERO:]


def _without_repeats(model: onnx.ModelProto) -> None:
    """Equal small constants once."""
    known: Dict[Tuple[int, Tuple[int, ...], bytes], str] = {}
    same: Dict[str, str] = {}
    given = {value.name for value in model.graph.input}
    for tensor in model.graph.initializer:
        if tensor.name in given or tensor.data_type not in _WHOLE or len(tensor.dims) > 1:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        first = known.setdefault((tensor.data_type, values.shape, values.tobytes()), tensor.name)
        if first != tensor.name:
            same[tensor.name] = first
    for node in model.graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]


def _names(model: onnx.ModelProto) -> Iterator[str]:
    """All names of tensors."""
    graph = model.graph
    yield from (value.name for value in (*graph.initializer, *graph.input, *graph.output))
    for node in walk_nodes(graph):
        yield from (*node.input, *node.output)


def _short_names(model: onnx.ModelProto, fixed: Set[str]) -> Dict[str, str]:
    """New names of the tensors that quantization brought, by their old ones."""
    there = set(_names(model))
    taken, found = there | fixed, {}
    for tensor in model.graph.initializer:
        plain = tensor.name[: -len(_QUANTIZED)]
        if tensor.name not in fixed and tensor.name.endswith(_QUANTIZED) and plain not in there:
            found[tensor.name] = plain  # what was quantized is not there any more
    left: List[Tuple[str, str]] = [(tensor.name, "c") for tensor in model.graph.initializer]
    left += [(name, _SHORT.get(node.op_type, "t")) for node in model.graph.node for name in node.output]
    for name, letter in left:
        if name and name not in fixed and name not in found:
            found[name] = _free(letter, len(found), taken)
    return found


def _free(letter: str, number: int, taken: Set[str]) -> str:
    while f"{letter}{number}" in taken:
        number += 1
    taken.add(f"{letter}{number}")
    return f"{letter}{number}"


def _rename(model: onnx.ModelProto, names: Dict[str, str]) -> None:
    """Call tensors otherwise, and the nodes of quantization as what they give."""
    for tensor in model.graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for node in walk_nodes(model.graph):
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    taken = {node.name for node in walk_nodes(model.graph)}
    for node in model.graph.node:
        if node.op_type in _SHORT and node.output[0] not in taken:
            taken.discard(node.name)
            node.name = node.output[0]
            taken.add(node.name)
