"""Following the sizes of all tensors through a graph, its subgraphs included."""

from collections import ChainMap, Counter
from dataclasses import dataclass, replace
from typing import AbstractSet, Dict, List, Optional, Sequence, Set, Tuple

import onnx

from ...targets import STANDARD_DOMAINS, full_name
from ..parts import reads
from .contents import contents, holds
from .evaluate import folded
from .rows import known_rows
from .shapes import BROADCASTING, SAME, SHAPES
from .sizes import NO_CAUSES, Causes, Size, multiply, node_cause, uncertain
from .values import NodeView, Step, Value, constant, declared, dtype_name, refined


@dataclass(frozen=True)
class Followed:
    """A node and what is known of what it reads and gives.

    Attributes:
        view: the node, with :class:`Value` as inputs.
        name: its name, or one made of its operator and first output.
        outputs: one per output.
        given: causes that cannot be when this node runs: it is in the body of a loop over what they leave empty.
    """

    view: NodeView
    name: str
    outputs: Tuple[Value, ...]
    given: Causes = NO_CAUSES


def follow(model: onnx.ModelProto) -> List[Followed]:
    """Every node of a model in the order in which it runs, those of subgraphs before the node that has them.

    Args:
        model: a model whose types are inferred; nodes of local functions count as custom operators.
    """
    opsets = {("" if entry.domain in STANDARD_DOMAINS else entry.domain): entry.version for entry in model.opset_import}
    follower = _Follower(opsets)
    follower.graph(model.graph, ChainMap(), ChainMap(), NO_CAUSES)
    return follower.found


def node_name(node: onnx.NodeProto) -> str:
    """What a node is called: its name, or its operator and first output."""
    return node.name or f"{node.op_type} of {next((name for name in node.output if name), 'nothing')}"


class _Follower:
    def __init__(self, opsets: Dict[str, int]) -> None:
        self.opsets = opsets
        self.found: List[Followed] = []
        self.views: Dict[str, NodeView] = {}

    def graph(
        self,
        graph: onnx.GraphProto,
        values: "ChainMap[str, Value]",
        producers: "ChainMap[str, onnx.NodeProto]",
        given: Causes,
        inputs: Sequence[Value] = (),
    ) -> List[Value]:
        """Follow one graph; what it gives.

        Args:
            values: what is known of the tensors of the graphs around it; the graph's own are added.
            producers: likewise, the nodes that made them.
            given: see :class:`Followed`.
            inputs: what is known of its inputs, as far as the node that has the graph knows.
        """
        types = {value.name: value.type for value in (*graph.value_info, *graph.output)}
        for index, value in enumerate(graph.input):
            known = replace(declared(value.type, value.name), bound=uncertain(value.name))
            values[value.name] = inputs[index] if index < len(inputs) else known
        for tensor in graph.initializer:
            values[tensor.name] = constant(tensor, tensor.name)
        for sparse in graph.sparse_initializer:
            values[sparse.values.name] = Value(dtype_name(sparse.values.data_type), len(sparse.dims))
        several = _several(graph)
        for node in graph.node:
            outputs = self._node(node, values, producers, types, given, several)
            for name, output in zip(node.output, outputs):
                values[name] = output
                producers[name] = node
        return [values.get(value.name, Value()) for value in graph.output]

    def _node(
        self,
        node: onnx.NodeProto,
        values: "ChainMap[str, Value]",
        producers: "ChainMap[str, onnx.NodeProto]",
        types: Dict[str, onnx.TypeProto],
        given: Causes,
        several: AbstractSet[str],
    ) -> Tuple[Value, ...]:
        inputs = tuple(values.get(name, Value()) if name else None for name in node.input)
        domain = "" if node.domain in STANDARD_DOMAINS else node.domain
        view = NodeView(node, self.opsets.get(domain, 1), inputs, self.views, values, several)
        step = Step(view, node_name(node), producers, values)
        inner = self._subgraphs(step, values, producers, given)
        known = [declared(types.get(name), step.name) for name in node.output]
        if node.op_type == "Constant" and not domain:
            outputs: Tuple[Value, ...] = (_constant_node(step, known[0]),)
        else:
            tensor = None if inner or domain else folded(step)
            outputs = tuple(_outputs(step, known, inner)) if tensor is None else (constant(tensor, step.name),)
        self.views.update(dict.fromkeys(node.output, view))
        self.found.append(Followed(view, step.name, outputs, given))
        return outputs

    def _subgraphs(
        self, step: Step, values: "ChainMap[str, Value]", producers: "ChainMap[str, onnx.NodeProto]", given: Causes
    ) -> List[List[Value]]:
        """What each subgraph of a node gives."""
        inputs: Sequence[Value] = ()
        if step.view.node.op_type == "Loop":
            count = step.value(0).item()
            # the body runs only where there is something to go through
            given = given | count.causes
            # of what goes from turn to turn only the declared type holds
            inputs = (Value("int64", 0, dims=(), bound=Size(0)), Value("bool", 0, dims=()))
        graphs = [item.g for item in step.view.node.attribute if item.type == onnx.AttributeProto.GRAPH]
        return [self.graph(graph, values.new_child(), producers.new_child(), given, inputs) for graph in graphs]


def _several(graph: onnx.GraphProto) -> Set[str]:
    """The tensors that nodes of a graph make, and that more than one node or output reads."""
    made = {name for node in graph.node for name in node.output if name}
    read = Counter(name for node in graph.node for name in set(reads(node)) & made)
    read.update(value.name for value in graph.output)
    return {name for name, count in read.items() if count > 1}


def _outputs(step: Step, known: List[Value], inner: List[List[Value]]) -> List[Value]:
    """What is known of a node's outputs: what the operator's own rule says, filled up with the inferred types."""
    kind = full_name(step.view.node.domain, step.view.node.op_type)
    if inner:
        return _controlled(step, known, inner)
    rule = SHAPES.get(kind)
    shapes = list(rule(step)) if rule else []
    loose = _loose(step, kind)
    outputs = []
    for index, value in enumerate(known):
        dims = shapes[index] if index < len(shapes) else None
        if dims is not None:
            value = value.shaped(refined(dims, value.dims))
        elif loose:
            value = replace(value, dims=None, loose=loose)
        items, bound = contents(step, index)
        value = replace(value, bound=bound, items=items if _fit(items, value) else None)
        outputs.append(value if index else replace(value, holds=holds(step, value), rows=known_rows(step)))
    return outputs


def _fit(items: Optional[Sequence[Size]], value: Value) -> bool:
    """Whether a tensor has as many elements; one that is repeated has more."""
    return items is not None and value.dims is not None and multiply(value.dims).exact == len(items)


def _loose(step: Step, kind: str) -> Causes:
    """What makes all outputs empty, of an operator whose shape is not known."""
    if kind in BROADCASTING:
        return frozenset().union(*(value.empty_if for value in step.inputs if value is not None))
    return (
        step.value(0).empty_if if kind in SAME or kind in ("Reshape", "Transpose", "Expand", "Squeeze") else NO_CAUSES
    )


def _controlled(step: Step, known: List[Value], inner: List[List[Value]]) -> List[Value]:
    """What If, Loop and Scan give."""
    known = [replace(value, bound=uncertain(step.name)) for value in known]
    if step.view.node.op_type == "If":
        branches = [list(outputs) for outputs in zip(*inner)]
        empty = [any(value.empty_if for value in values) for values in branches]
        loose = node_cause(step.name)
        return [replace(value, dims=None, loose=loose) if any_ else value for value, any_ in zip(known, empty)]
    if step.view.node.op_type == "Loop":
        carried = len(step.inputs) - 2
        again, *elements = inner[0]
        count = uncertain(step.name) if again.bound.causes else replace(step.value(0).item(), exact=None)
        return known[:carried] + [_stacked(step, *pair, count) for pair in zip(known[carried:], elements[carried:])]
    return known


def _stacked(step: Step, value: Value, element: Value, count: Size) -> Value:
    """What the turns of a Loop give, on top of each other."""
    if element.dims is None:
        return replace(value, dims=None, loose=count.empty_if) if count.empty_if else value
    if not count.empty_if:
        return value.shaped((count, *element.dims))
    # without a single turn nobody knows how large an element would have been
    unsure = (size if size.exact else uncertain(step.name, size.empty_if) for size in element.dims)
    return value.shaped((count, *unsure))


def _constant_node(step: Step, known: Value) -> Value:
    item = step.view.node.attribute[0] if step.view.node.attribute else onnx.AttributeProto()
    if item.type == onnx.AttributeProto.TENSOR:
        return constant(item.t, step.name)
    number = {"value_int": onnx.TensorProto.INT64, "value_float": onnx.TensorProto.FLOAT}.get(item.name.rstrip("s"))
    if number is None:
        return replace(known, bound=Size())
    content = onnx.helper.get_attribute_value(item)
    many = list(content) if item.name.endswith("s") else [content]
    dims = [len(many)] if item.name.endswith("s") else []
    return constant(onnx.helper.make_tensor(step.name, number, dims, many), step.name)
