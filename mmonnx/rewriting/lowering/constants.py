"""Constants as initializers."""

from typing import Dict

import onnx


def constants_to_initializers(model: onnx.ModelProto) -> onnx.ModelProto:
    """Make every Constant node of the main graph that holds a tensor an initializer, and equal ones the same.

    Simplifiers see through initializers better, and a runtime has a node less to look at.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    known: Dict[bytes, str] = {}
    renamed: Dict[str, str] = {}
    outputs = {value.name for value in graph.output}
    kept = []
    for node in graph.node:
        value = next((item.t for item in node.attribute if item.name == "value"), None)
        if node.op_type != "Constant" or value is None or node.output[0] in outputs:
            kept.append(node)
            continue
        tensor = onnx.TensorProto()
        tensor.CopyFrom(value)
        tensor.name = ""
        key = tensor.SerializeToString()
        if key in known:
            renamed[node.output[0]] = known[key]
            continue
        known[key] = tensor.name = node.output[0]
        graph.initializer.append(tensor)
    del graph.node[:]
    graph.node.extend(kept)
    _rename_inputs(graph, renamed)
    return result


def _rename_inputs(graph: onnx.GraphProto, renamed: Dict[str, str]) -> None:
    """Let the nodes of a graph and of its subgraphs read from other names."""
    for node in graph.node:
        for number, name in enumerate(node.input):
            node.input[number] = renamed.get(name, name)
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _rename_inputs(attribute.g, renamed)
