"""Writing what a target lacks in what it has, by the rules that stand beside the targets' tables."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Dict, Iterator, List, Optional, Sequence, Set, Tuple

import numpy as np
import onnx

from ..runtime import without_weights
from ..targets import ELEMENT, LIMITED, RULES, Call, Extended, Node, Rule, Target, Tensor, UnknownType, full_name
from .biases import with_own_biases
from .branches import with_taken_branches
from .check import refusals, takes
from .emptiness import Followed, follow
from .folding import folded
from .functions import walk_nodes
from .parts import pruned

_PASSES = 8
"""A body may have operators that are written in others again; no chain of rules is as long as this."""


@dataclass(frozen=True)
class Lowered:
    """What came out.

    Attributes:
        model: the model in which every node that a rule knows is written in the target's operators.
        written: by operator, how many nodes of it were written in others.
        limited: those of them of which the new numbers are the same up to some size alone.
    """

    model: onnx.ModelProto
    written: Dict[str, int] = field(default_factory=dict)
    limited: Tuple[str, ...] = ()


def lower(model: onnx.ModelProto, target: Target) -> Lowered:
    """Write each node that a target refuses in operators that it has, where a rule tells how.

    What no rule knows stays as it is: ``check_target`` finds it. The names of all tensors that were there stay.

    Args:
        model: it is not changed.
        target: the runtime that the model is for.
    """
    written: Counter[str] = Counter()
    limited: Set[str] = set()
    if not needs_lowering(target):
        return Lowered(model)
    model = with_taken_branches(folded(model))
    for _ in range(_PASSES):
        lowering = _Lowering(model, target)
        if not lowering.written:
            break
        model = lowering.model
        written.update(lowering.written)
        limited.update(lowering.limited)
    if not target.capabilities.shared_biases:
        model = with_own_biases(model)
    return Lowered(model, dict(written), tuple(sorted(limited)))


def needs_lowering(target: Target) -> bool:
    """Whether there is anything that a target does not take."""
    return not target.any_standard or bool(target.forms or target.types)


class _Lowering:
    """One pass over a model and its subgraphs."""

    def __init__(self, model: onnx.ModelProto, target: Target) -> None:
        self.target = target
        self.written: Counter[str] = Counter()
        self.limited: Set[str] = set()
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        known = without_weights(partial(onnx.shape_inference.infer_shapes, data_prop=True), self.model)
        self._writer = _Writer(self.model)
        self._graph(self.model.graph, iter(follow(known)))
        self.model.graph.initializer.extend(self._writer.constants.values())
        self._name_domains()
        pruned(self.model)

    def _graph(self, graph: onnx.GraphProto, steps: Iterator[Followed]) -> None:
        """Write one graph anew; the steps come in the order of ``follow``: a node's subgraphs are before it."""
        nodes: List[onnx.NodeProto] = []
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    self._graph(attribute.g, steps)
            nodes.extend(self._body(next(steps), node) or [node])
        if len(nodes) != len(graph.node) or any(new is not old for new, old in zip(nodes, graph.node)):
            copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
            del graph.node[:]
            graph.node.extend(copies)

    def _body(self, step: Followed, node: onnx.NodeProto) -> Optional[List[onnx.NodeProto]]:
        """The nodes that stand for one, None if it is left as it is."""
        kinds = {kind for kind, *_ in refusals(step, self.target)}
        if not kinds:
            return None
        name = full_name(node.domain, node.op_type)
        for rule in RULES.of(name):
            results = self._results(rule, step, may_remain="operator" not in kinds)
            if results is not None:
                self.written[name] += 1
                if rule.exact == LIMITED:
                    self.limited.add(name)
                return self._writer.write(results, node, step.name)
        return None

    def _results(self, rule: Rule, step: Followed, may_remain: bool) -> Optional[Sequence[Tensor]]:
        """What a rule makes of a node; None if it does not know it, or needs what the target does not have either."""
        if not all(condition.holds(step.view) for condition in rule.when):
            return None
        try:
            found = rule.write(Node(step.view))
        except UnknownType:
            return None
        if found is None:
            return None
        results = [found] if isinstance(found, Tensor) else found
        names = _operators(results)
        if rule.operator in names and not may_remain:
            return None
        return results if all(_taken(self.target, one) or _always_written(one) for one in names) else None

    def _name_domains(self) -> None:
        known = {entry.domain for entry in self.model.opset_import}
        for domain in sorted({node.domain for node in walk_nodes(self.model.graph)} - known - {"", "ai.onnx"}):
            self.model.opset_import.append(onnx.helper.make_opsetid(domain, 1))


def _taken(target: Target, operator: str) -> bool:
    """Whether a target has an operator in some form."""
    return takes(target, operator) and all(form.when for form in target.forms.get(operator, ()))


def _always_written(operator: str) -> bool:
    """Whether some rule writes an operator in whatever form."""
    return any(not rule.when for rule in RULES.of(operator))


def _operators(results: Sequence[Tensor]) -> Set[str]:
    """The operators of a body, and of the graphs in it."""
    found: Set[str] = set()
    for call in _in_order(results):
        found.add(call.operator)
        for value in call.attributes.values():
            found |= _operators(value.outputs) if isinstance(value, Extended) else set()
    return found


def _in_order(results: Sequence[Tensor]) -> List[Call]:
    """All operators of a body, each once, behind those whose outputs it reads.

    Without recursion: the turns of a loop, one behind the other, may be long.
    """
    found: Dict[int, Call] = {}
    waiting = [(result.call, False) for result in reversed(results) if result.call is not None]
    while waiting:
        call, ready = waiting.pop()
        if id(call) in found or not call.operator:  # what enters a graph has none
            continue
        if ready:
            found[id(call)] = call
            continue
        waiting.append((call, True))
        before = [item.call for item in call.inputs if item is not None and item.call is not None]
        waiting.extend((one, False) for one in reversed(before) if id(one) not in found)
    return list(found.values())


class _Writer:
    """Makes nodes of bodies; constants of equal content are one initializer."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.constants: Dict[Tuple[str, Tuple[int, ...], bytes], onnx.TensorProto] = {}
        self._numbers: Counter[str] = Counter()
        self._taken = {tensor.name for tensor in model.graph.initializer}
        self._taken.update(value.name for value in model.graph.input)
        for node in walk_nodes(model.graph):
            self._taken.update(node.output)
            self._taken.add(node.name)

    def write(self, results: Sequence[Tensor], node: onnx.NodeProto, name: str) -> List[onnx.NodeProto]:
        """The nodes of a body, in order.

        Args:
            results: what stands for the node's outputs, one each.
            node: the node that the body stands for.
            name: what findings call it, after which the new nodes are named.
        """
        outputs: Dict[Tuple[int, int], str] = {}
        copies: List[Tuple[Tensor, str]] = []
        for result, output in zip(results, node.output):
            place = (id(result.call), result.index)
            if result.call is None or place in outputs:
                copies.append((result, output))
            elif output:
                outputs[place] = output
        body = _Body(self, node, name, outputs)
        for call in _in_order(results):
            body.add(call)
        for result, output in copies:
            body.nodes.append(onnx.helper.make_node("Identity", [body.tensor(result)], [output], self.free(name)))
        return body.nodes

    def constant(self, array: np.ndarray) -> str:
        """The name of an initializer."""
        key = (array.dtype.name, array.shape, array.tobytes())
        if key not in self.constants:
            self.constants[key] = onnx.numpy_helper.from_array(array, self.free("lowered"))
        return self.constants[key].name

    def free(self, stem: str) -> str:
        """A name that nothing has yet."""
        while True:  # names are never given back: the count goes on where it was
            self._numbers[stem] += 1
            name = f"{stem}_{self._numbers[stem]}"
            if name not in self._taken:
                self._taken.add(name)
                return name


class _Body:
    """The nodes that stand for one."""

    def __init__(self, writer: _Writer, node: onnx.NodeProto, name: str, outputs: Dict[Tuple[int, int], str]) -> None:
        self.nodes: List[onnx.NodeProto] = []
        self._writer, self._node, self._name = writer, node, name
        self._outputs = outputs

    def tensor(self, tensor: Tensor) -> str:
        """The name of a tensor; what makes it was added before."""
        if tensor.array is not None:
            return self._writer.constant(tensor.array)
        if tensor.name:
            return tensor.name
        if tensor.call is None:
            return str(self._node.input[tensor.index])
        return self._outputs[id(tensor.call), tensor.index]

    def add(self, call: Call) -> None:
        """Add the node of an operator."""
        inputs = ["" if item is None else self.tensor(item) for item in call.inputs]
        domain, _, kind = call.operator.rpartition("::")
        name = self._writer.free(f"{self._name}_{kind}")
        for index in range(call.outputs):
            self._outputs.setdefault((id(call), index), self._writer.free(f"{self._name}_{kind}_output"))
        names = [self._outputs[id(call), index] for index in range(call.outputs)]
        attributes = {
            key: self._extended(key, value) if isinstance(value, Extended) else value
            for key, value in call.attributes.items()
        }
        self.nodes.append(onnx.helper.make_node(kind, inputs, names, name, domain=domain, **attributes))

    def _extended(self, attribute: str, more: Extended) -> onnx.GraphProto:
        """A graph of the node with its further inputs and outputs, and with the nodes that make these."""
        graph = onnx.GraphProto()
        graph.CopyFrom(next(item.g for item in self._node.attribute if item.name == attribute))
        places = {(id(one.call), one.index): self._writer.free(f"{self._name}_input") for one in more.inputs}
        body = _Body(self._writer, self._node, self._name, dict(places))
        for call in _in_order(more.outputs):
            body.add(call)
        kept = [graph.output[index] for index in more.kept]
        made = [_any_shape(body.tensor(one), one.dtype) for one in more.outputs]
        graph.node.extend(body.nodes)
        graph.input.extend(_any_shape(name, one.dtype) for name, one in zip(places.values(), more.inputs))
        outputs = [*kept, *made]
        del graph.output[:]
        graph.output.extend(outputs)
        return graph


def _any_shape(name: str, dtype: str) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, ELEMENT[dtype], None)
