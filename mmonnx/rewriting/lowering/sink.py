"""Moving a change of the rows' order behind the work that is done row by row."""

from typing import Dict, List, Set

import onnx

from ..symbolics import DOMAIN, PERMUTE, SELECT

# What these give for a row depends on that row alone, whatever their attributes are.
_ROW_BY_ROW = {
    "AveragePool",
    "BatchNormalization",
    "Clip",
    "Conv",
    "ConvTranspose",
    "GlobalAveragePool",
    "LeakyRelu",
    "MaxPool",
    "Relu",
    "Sigmoid",
}
_ELEMENTWISE = {"Add", "Sub", "Mul", "Div"}


def sink_permutations(model: onnx.ModelProto) -> onnx.ModelProto:
    """Do the work of each row first and put the rows in order after it, where the rows are smaller.

    The features of a RoI are 12,544 numbers, what the box head makes of them 400: ordering the latter costs nothing.
    The model that is given is not changed.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    constants = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    outputs = {value.name for value in graph.output}
    permuted: Dict[str, onnx.NodeProto] = {}
    nodes: List[onnx.NodeProto] = []
    for node in graph.node:
        if node.domain == DOMAIN and node.op_type in (PERMUTE, SELECT):
            permuted[node.output[0]] = node
        elif node.op_type == "Shape" and node.input[0] in permuted and permuted[node.input[0]].op_type == PERMUTE:
            node.input[0] = permuted[node.input[0]].input[0]
        elif _is_row_by_row(node, permuted, constants) and outputs.isdisjoint(node.input):
            nodes.append(node)
            node = _swap(node, permuted)
            permuted[node.output[0]] = node
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(_used(nodes, outputs))
    return result


def _is_row_by_row(node: onnx.NodeProto, permuted: Dict[str, onnx.NodeProto], constants: Dict[str, int]) -> bool:
    """Whether all that the node reads is permuted in the same way or constant, and it treats rows one by one."""
    inputs = [name for name in node.input if name]
    moved = [permuted[name] for name in inputs if name in permuted]
    if not moved or len(node.output) != 1 or any(name not in permuted and name not in constants for name in inputs):
        return False
    if len({(other.input[1], other.op_type) for other in moved}) > 1:
        return False
    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    if node.op_type in _ROW_BY_ROW:
        return True
    if node.op_type == "Flatten":
        return attributes.get("axis", 1) == 1
    if node.op_type == "Gemm":
        return inputs[0] in permuted and len(moved) == 1 and not attributes.get("transA", 0)
    if node.op_type in _ELEMENTWISE:
        # the last operand of a sum is a bias or a scalar; one of the data's own rank could be a row for each row
        return all(constants.get(name, 0) <= 1 for name in inputs if name not in permuted)
    return False


def _swap(node: onnx.NodeProto, permuted: Dict[str, onnx.NodeProto]) -> onnx.NodeProto:
    """Let the node read the rows as they were; the permutation that now comes after it."""
    other = next(permuted[name] for name in node.input if name in permuted)
    index, kind = other.input[1], other.op_type
    for number, name in enumerate(node.input):
        if name in permuted:
            node.input[number] = permuted[name].input[0]
    output = node.output[0]
    node.output[0] = output + "_unordered"
    return onnx.helper.make_node(kind, [node.output[0], index], [output], name=f"{node.name}_order", domain=DOMAIN)


def _used(nodes: List[onnx.NodeProto], outputs: Set[str]) -> List[onnx.NodeProto]:
    """Without the permutations that nobody reads any more."""
    read = outputs | {name for node in nodes for name in node.input}
    return [node for node in nodes if node.domain != DOMAIN or node.output[0] in read]
