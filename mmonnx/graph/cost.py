"""How many floating-point operations a model takes at a shape."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Dict, List, Optional, Sequence, Tuple

import onnx

from ..runtime import without_weights
from ..support import InputError, first_line
from .check import module_of

_COUNTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@dataclass(frozen=True)
class Cost:
    """What a model takes.

    Attributes:
        flops: of the convolutions and matrix products whose sizes the input's shape decides, a multiplication and an
            addition being two.
        uncounted: how many of these nodes have a size that the shape does not tell: it depends on the image's content
            (its RoIs, for example), or on what onnx's shape inference does not follow.
        by_operator, by_module: the same operations by the type of their node, and by the module that it is of.
    """

    flops: int
    uncounted: int
    by_operator: Dict[str, int] = field(default_factory=dict)
    by_module: Dict[str, int] = field(default_factory=dict)


def cost_at(model: onnx.ModelProto, shape: Tuple[int, int], batch: int = 1) -> Cost:
    """Count the floating-point operations for images of (height, width) pixels.

    Raises:
        InputError: the model has no image as its first input, is fixed to another size, or its types contradict
            each other.
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    del fixed.graph.value_info[:]  # those of the trace's own size
    _fix(fixed, shape, batch)
    try:
        inferred = without_weights(partial(onnx.shape_inference.infer_shapes, data_prop=True), fixed)
    except Exception as error:  # onnx has several
        raise InputError(
            f"the shapes of the model cannot be inferred at {shape[0]}x{shape[1]} ({first_line(error)})",
            "a valid model of such an input",
            "give another --shape",
        ) from error
    graph = inferred.graph
    shapes: Dict[str, Optional[List[int]]] = {
        value.name: _dims(value) for value in (*graph.value_info, *graph.input, *graph.output)
    }
    shapes.update({tensor.name: list(tensor.dims) for tensor in graph.initializer})
    operators: Dict[str, int] = Counter()
    modules: Dict[str, int] = Counter()
    uncounted = 0
    for node in graph.node:
        flops = _node(node, shapes) if node.op_type in _COUNTED else 0
        uncounted += flops is None
        if flops:
            operators[node.op_type] += flops
            modules[module_of(node)] += flops
    return Cost(sum(operators.values()), uncounted, dict(operators), dict(modules))


def _fix(model: onnx.ModelProto, shape: Tuple[int, int], batch: int) -> None:
    dims = list(model.graph.input[0].type.tensor_type.shape.dim) if model.graph.input else []
    if len(dims) != 4:
        raise InputError("the model's first input is not an image", "(N, C, H, W)", "leave --shape out")
    for axis, size in ((0, batch), (2, shape[0]), (3, shape[1])):
        if axis and dims[axis].HasField("dim_value") and dims[axis].dim_value != size:
            fixed = f"{dims[2].dim_value}x{dims[3].dim_value}"
            raise InputError(f"the model does not take images of {shape[0]}x{shape[1]}", fixed, "give that as --shape")
        if not dims[axis].HasField("dim_value"):
            dims[axis].dim_value = size


def _dims(value: onnx.ValueInfoProto) -> Optional[List[int]]:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape") or not all(dim.HasField("dim_value") for dim in tensor.shape.dim):
        return None
    return [dim.dim_value for dim in tensor.shape.dim]


def _node(node: onnx.NodeProto, shapes: Dict[str, Optional[List[int]]]) -> Optional[int]:
    """The operations of one node; None if its sizes are not known."""
    first, second = (shapes.get(name) for name in node.input[:2])
    output = shapes.get(node.output[0])
    if second is None or (first if node.op_type in ("ConvTranspose", "MatMul", "Gemm") else output) is None:
        return None
    if node.op_type == "Conv":
        return 2 * _product(output or ()) * _product(second[1:])
    if node.op_type == "ConvTranspose":
        return 2 * _product(first or ()) * _product(second[1:])
    transposed = any(item.name == "transB" and item.i for item in node.attribute)
    columns = second[0] if transposed else second[-1]
    if output is not None:
        return 2 * _product(output) * (second[-1] if transposed else second[-2 if len(second) > 1 else 0])
    return 2 * _product(first or ()) * columns


def _product(sizes: Sequence[int]) -> int:
    result = 1
    for size in sizes:
        result *= size
    return result
