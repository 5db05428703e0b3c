"""Half precision: the float16 converter that ONNX Runtime ships, shown the layers alone.

Told to leave nodes alone, it still takes what goes from one of them to the next through float16 and back, boxes and
sizes of images among it. It knows tensors by their declared types: here those of the layers alone are declared.
"""

from typing import Collection, Dict, Iterable, List, Optional, Set, Tuple

import onnx

from ..support import ExportError, first_line
from .kept import Kernels
from .quietness import silent
from .trunk import Trunk, constants_of, features

_FLOAT, _HIDDEN = onnx.TensorProto.FLOAT, onnx.TensorProto.UNDEFINED


def in_half(
    model: onnx.ModelProto,
    trunk: Trunk,
    kernels: Kernels,
    kept: Collection[str] = (),
    alone: Optional[Collection[str]] = None,
) -> onnx.ModelProto:
    """A model whose layers, and what lies between them, are float16; inputs, outputs and all else stay float32.

    Args:
        model: in float32, its nodes with names of their own; it is not changed.
        trunk: its layers.
        kernels: what the target takes.
        kept: the layers that stay in float32, with what computes with their results up to the next layers.
        alone: the only nodes that do not; None for all that may.

    Raises:
        ExportError: the converter does not take it.
    """
    from onnxruntime.transformers import float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    result = onnx.ModelProto()
    result.CopyFrom(model)
    blocked = {*float16.DEFAULT_OP_BLOCK_LIST, *kernels.not_half}
    nodes, constants = list(result.graph.node), constants_of(result)
    named = set(trunk.nodes) if alone is None else set(alone)
    named -= _behind(nodes, set(trunk.layers), set(kept), constants)
    stored = {tensor.name for tensor in result.graph.initializer}
    named -= {node.name for node in nodes if node.op_type in blocked or not _plain(node, stored)}
    inside = [node for node in nodes if node.name in named]
    seen = {name for node in inside for name in (*features(node, constants), *node.output)}
    hidden = _hide(result.graph, seen)
    del result.graph.value_info[:]
    declared = seen - {value.name for value in (*result.graph.input, *result.graph.output)}
    result.graph.value_info.extend(_floats(sorted(declared)))
    left = {node.name for node in nodes} - {node.name for node in inside}
    try:
        with silent():
            half = float16.convert_float_to_float16(
                result, keep_io_types=True, disable_shape_infer=True, node_block_list=sorted(left)
            )
            OnnxModel.graph_topological_sort(half.graph)
    except Exception as error:  # it raises whatever its parts raise
        raise ExportError(
            f"the model cannot be converted to float16 ({first_line(error)[:300]})",
            "a model that onnxruntime.transformers.float16 takes",
            "leave --precision out for a file in float32",
        ) from error
    for value in (*half.graph.input, *half.graph.output):
        value.type.tensor_type.elem_type = hidden.get(value.name, value.type.tensor_type.elem_type)
    del half.graph.value_info[:]  # shapes that are inferred again where somebody asks for them
    return half


_PARAMETERS: Dict[str, Tuple[int, ...]] = {
    "BatchNormalization": (1, 2, 3, 4),
    "Clip": (1, 2),
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Gemm": (1, 2),
    "InstanceNormalization": (1, 2),
    "LayerNormalization": (1, 2),
    "PRelu": (1,),
    "Pad": (2,),
}
"""The inputs that have the type of the features, and are none."""


def _plain(node: onnx.NodeProto, stored: Set[str]) -> bool:
    """Whether what a node takes beside features is stored; what is computed is float32, and so is the node."""
    places = _PARAMETERS.get(node.op_type, ())
    return all(name in stored for name in (node.input[at] for at in places if at < len(node.input)) if name)


def _behind(nodes: List[onnx.NodeProto], layers: Set[str], kept: Set[str], constants: Set[str]) -> Set[str]:
    """Layers that are kept, and the nodes that compute with what these give: it may be beyond float16."""
    found: Set[str] = set(kept)
    given: Set[str] = set()
    for node in nodes:
        if node.name in kept or (node.name not in layers and given.intersection(features(node, constants))):
            found.add(node.name)
            given.update(node.output)
    return found


def _hide(graph: onnx.GraphProto, seen: Set[str]) -> Dict[str, int]:
    """Take the types of the inputs and outputs away that are not of the layers; these types by name."""
    hidden = {}
    for value in (*graph.input, *graph.output):
        if value.name not in seen:
            hidden[value.name] = value.type.tensor_type.elem_type
            value.type.tensor_type.elem_type = _HIDDEN
    return hidden


def _floats(names: Iterable[str]) -> List[onnx.ValueInfoProto]:
    return [onnx.helper.make_tensor_value_info(name, _FLOAT, None) for name in names]
