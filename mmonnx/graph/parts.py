"""Parts of a graph: more outputs, other inputs, and without what nobody reads then."""

from typing import Iterable, Iterator, List, Set

import onnx

from .functions import walk_nodes


def produced(model: onnx.ModelProto) -> Iterator[str]:
    """The names of all tensors that nodes of the main graph give, in their order."""
    for node in model.graph.node:
        yield from (name for name in node.output if name)


def part(model: onnx.ModelProto, outputs: Iterable[str], inputs: Iterable[str] = ()) -> onnx.ModelProto:
    """The part of a model that gives some of its tensors.

    Args:
        model: it is not changed.
        outputs: names of the tensors that the part gives, in order; those that are outputs already keep their types.
        inputs: names of float32 tensors that are given to it in the place of what the model computes for them.
    """
    result, given = onnx.ModelProto(), set(inputs)
    result.CopyFrom(model)
    known = {value.name: value for value in model.graph.output}
    del result.graph.output[:]
    for name in outputs:
        result.graph.output.append(known.get(name) or onnx.ValueInfoProto(name=name))
    for node in result.graph.node:
        node.output[:] = [f"{name}_replaced" if name in given else name for name in node.output]
    for name in given:
        result.graph.input.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    return pruned(result)


def pruned(model: onnx.ModelProto) -> onnx.ModelProto:
    """Take away, in place, the nodes and weights that no output depends on; the model."""
    graph = model.graph
    needed: Set[str] = {value.name for value in graph.output}
    kept: List[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(reads(node))
    if len(kept) < len(graph.node):
        kept = [_copied(node) for node in reversed(kept)]
        del graph.node[:]
        graph.node.extend(kept)
    needed.update(value.name for value in graph.input)  # the default of an input
    for index in reversed(range(len(graph.initializer))):
        if graph.initializer[index].name not in needed:
            del graph.initializer[index]
    return model


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """The names that a node reads, those that its subgraphs read from around them included."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in walk_nodes(graph):
                yield from inner.input
            yield from (value.name for value in graph.output)


def _copied(node: onnx.NodeProto) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy
