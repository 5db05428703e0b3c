"""The value of a single node on known inputs."""

from typing import Optional, Sequence

import numpy as np
import onnx

from .values import Step

_MOST = 4096


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
            return np.asarray(ReferenceEvaluator(model).run(None, feeds)[0])
    except Exception:  # an operator, a form or a type that the evaluator does not know
        return None


def folded(step: Step) -> Optional[onnx.TensorProto]:
    """A node's only output, if all of its inputs are small constants."""
    given = [value for value in step.inputs if value is not None]
    if not given or len(step.view.node.output) != 1 or any(value.tensor is None for value in given):
        return None
    if sum(int(np.prod(value.tensor.dims, dtype=np.int64)) for value in given) > _MOST:
        return None
    array = evaluate(step, [value if value is None else value.array() for value in step.inputs])
    if array is None or array.size > _MOST:
        return None
    return onnx.numpy_helper.from_array(array, step.view.node.output[0])
