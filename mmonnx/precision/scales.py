"""Products by one number without an operator: the eight bits stay as they are, and are read at another scale."""

from typing import Dict, List, Optional, Tuple

import numpy as np
import onnx
from onnx import numpy_helper

from ..graph import pruned


def without_products(model: onnx.ModelProto) -> onnx.ModelProto:
    """The quantized model, changed in place, without products of a tensor and one positive number between layers.

    What such a product gives in eight bits are the same eight bits, at a scale that is so many times as large: not to
    round them once more is nearer to the float32 model as well.
    """
    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    ends = {value.name for value in graph.output}
    readers: Dict[str, List[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in graph.node:
        found = _factor(node, makers, stored)
        back = [] if found is None or ends & set(node.output) else _read_back(node, readers)
        for place, reader in enumerate(back):
            assert found is not None
            factor, read = found
            scale = numpy_helper.to_array(stored[read.input[1]]) * np.float32(factor)
            name = f"{node.name}_scale_{place}"
            stored[name] = numpy_helper.from_array(np.asarray(scale, np.float32), name)
            graph.initializer.append(stored[name])
            reader.input[:] = [read.input[0], name, *read.input[2:]]
    return pruned(model)


def _factor(
    node: onnx.NodeProto, makers: Dict[str, onnx.NodeProto], stored: Dict[str, onnx.TensorProto]
) -> Optional[Tuple[float, onnx.NodeProto]]:
    """The number that a tensor of eight bits is multiplied by, and the node that reads the tensor; None if none is."""
    if node.op_type != "Mul":
        return None
    reads = [makers.get(name) for name in node.input]
    first, second = reads
    if first is None or second is None or any(one.op_type != "DequantizeLinear" for one in (first, second)):
        return None
    if first.input[0] in stored:
        first, second = second, first
    if second.input[0] not in stored or first.input[0] in stored or first.input[1] not in stored:
        return None
    values, scale, *zero = (numpy_helper.to_array(stored[name]) for name in second.input)
    if values.size != 1 or stored[first.input[1]].dims:
        return None
    factor = float((values.astype(np.float64) - (zero[0] if zero else 0)).reshape(-1)[0] * scale.reshape(-1)[0])
    return (factor, first) if factor > 0 else None


def _read_back(node: onnx.NodeProto, readers: Dict[str, List[onnx.NodeProto]]) -> List[onnx.NodeProto]:
    """The nodes that read what a node gives in eight bits; none if anything else does."""
    (output,) = node.output
    stores = readers.get(output, [])
    if len(stores) != 1 or stores[0].op_type != "QuantizeLinear":
        return []
    reads = readers.get(stores[0].output[0], [])
    return reads if all(one.op_type == "DequantizeLinear" for one in reads) else []
