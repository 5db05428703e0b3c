"""The value of a single node on known inputs."""

import math
from typing import Any, Optional, Sequence

import numpy as np
import onnx

from .values import Step

_MOST = 4096
_NEVER_GROW = ("Compress", "Gather", "NonZero", "Unique")


def evaluate(step: Step, arrays: Sequence[Optional[np.ndarray]]) -> Optional[np.ndarray]:
    """A node's first output for one array per input (None for one that is left out); None if it is not known."""
    from onnx.reference import ReferenceEvaluator  # a second of its own, and few models need it

    node = step.view.node
    feeds = {name: array for name, array in zip(node.input, arrays) if name and array is not None}
    inputs = [onnx.ValueInfoProto(name=name) for name in feeds]
    graph = onnx.helper.make_graph([node], "node", inputs, [onnx.ValueInfoProto(name=node.output[0])])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid(node.domain, step.view.opset)])
    try:
        with np.errstate(all="ignore"):
            outputs: Any = ReferenceEvaluator(model).run(None, feeds)
            return np.asarray(outputs[0])
    except Exception:  # an operator, a form or a type that the evaluator does not know
        return None


def _stays_small(step: Step, arrays: Sequence[Optional[np.ndarray]]) -> bool:
    """Whether ONNX says that the output is small: the figures of a stranger's file may ask for terabytes."""
    node = step.view.node
    if node.op_type in _NEVER_GROW:
        return True
    known = {name: array for name, array in zip(node.input, arrays) if name and array is not None}
    given = [onnx.numpy_helper.from_array(array, name) for name, array in known.items()]
    graph = onnx.helper.make_graph([node], "node", [], [onnx.ValueInfoProto(name=node.output[0])], given)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid(node.domain, step.view.opset)])
    try:
        dims = onnx.shape_inference.infer_shapes(model, data_prop=True).graph.output[0].type.tensor_type.shape.dim
    except Exception:  # the node contradicts itself
        return False
    return all(dim.HasField("dim_value") for dim in dims) and math.prod(dim.dim_value for dim in dims) <= _MOST


def folded(step: Step) -> Optional[onnx.TensorProto]:
    """A node's only output, if all of its inputs are small constants."""
    given = [value for value in step.inputs if value is not None]
    tensors = [value.tensor for value in given if value.tensor is not None]
    if not given or len(step.view.node.output) != 1 or len(tensors) < len(given):
        return None
    if sum(int(np.prod(tensor.dims, dtype=np.int64)) for tensor in tensors) > _MOST:
        return None
    arrays = [value if value is None else value.array() for value in step.inputs]
    array = evaluate(step, arrays) if _stays_small(step, arrays) else None
    if array is None or array.size > _MOST:
        return None
    return onnx.numpy_helper.from_array(array, step.view.node.output[0])
