"""What a model is made of: its opset, its nodes, and its functions, which are set aside and put back."""

from typing import Iterator

import onnx


def opset_of(model: onnx.ModelProto) -> int:
    """The opset of the default domain, 0 if the model names none."""
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def walk_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Every node of a graph, those of its subgraphs (If, Loop, Scan) included."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for subgraph in [attribute.g, *attribute.graphs]:
                yield from walk_nodes(subgraph)


def without_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph in a file without functions: a copy, or the model itself if it has none."""
    if not model.functions:
        return model
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.functions[:]
    return result


def with_functions(model: onnx.ModelProto, source: onnx.ModelProto) -> onnx.ModelProto:
    """The model, with those functions of the source that it calls; the model that is given is not changed."""
    if not source.functions:
        return without_functions(model)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.functions[:]
    known = {(function.domain, function.name): function for function in source.functions}
    called = {}
    waiting = [(node.domain, node.op_type) for node in walk_nodes(model.graph)]
    while waiting:
        name = waiting.pop()
        if name in known and name not in called:
            called[name] = known[name]
            graph = onnx.GraphProto(node=known[name].node)
            waiting += [(node.domain, node.op_type) for node in walk_nodes(graph)]
    result.functions.extend(function for name, function in known.items() if name in called)
    if result.functions:
        result.ir_version = max(result.ir_version, source.ir_version)
    return result
