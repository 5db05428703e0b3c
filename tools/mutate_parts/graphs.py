"""A model with the roles of its layers, and what can be changed in it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Dict, List, Optional, Sequence, Set

import numpy as np
import onnx
from onnx import numpy_helper

from .values import Values

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
LAYOUT = ("Transpose", "Reshape", "Flatten", "Unsqueeze", "Squeeze", "Concat", "Slice", "Gather", "Identity", "Split")
"""Operators that move values about and leave them as they are."""
NONLINEAR = ("Sigmoid", "Softmax", "HardSigmoid", "LogSoftmax")


@dataclass(frozen=True)
class Layer:
    """A layer with weights.

    Attributes:
        node: the name of the first node that reads the weights.
        weight: the name of the weights.
        axis: the axis of the weights that is the output's channels.
        bias: the name of the bias, None without one.
    """

    node: str
    weight: str
    axis: int
    bias: Optional[str]

    @property
    def path(self) -> str:
        """The path of the module, for a person."""
        return self.node.rsplit("/", 1)[0]


class Graph(Values):
    """An ONNX model that can be changed, in place, and the roles of its layers; the roles are those before a change."""

    def copy(self) -> "Graph":
        """The same of a copy of the model."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        return Graph(model, self.feeds)

    @cached_property
    def layers(self) -> List[Layer]:
        """The layers with weights of 16 values or more, each once, however often it is run."""
        found: Dict[str, Layer] = {}
        for node in self.of(*LAYERS):
            for index, name in enumerate(node.input[:2]):
                if self.is_constant(name) and name not in found and self._is_weight(name):
                    found[name] = Layer(node.name, name, self._output_axis(node, index), self._bias(node))
        return list(found.values())

    def _is_weight(self, name: str) -> bool:
        tensor = self._tensors[name]
        return self.size(name) >= 16 and len(tensor.dims) > 1 and tensor.data_type == onnx.TensorProto.FLOAT

    def _output_axis(self, node: onnx.NodeProto, index: int) -> int:
        if node.op_type == "Gemm":
            return 0 if attribute(node, "transB", 0) == index else 1
        if node.op_type == "MatMul":
            return len(self._tensors[node.input[index]].dims) - (1 if index else 2)
        return 1 if node.op_type == "ConvTranspose" else 0

    def _bias(self, node: onnx.NodeProto) -> Optional[str]:
        if len(node.input) > 2 and self.is_constant(node.input[2]):
            return node.input[2]
        adds = [one for one in self.readers(node.output[0]) if one.op_type == "Add"]
        names = [name for add in adds[:1] for name in add.input if self.is_constant(name) and self.size(name) > 1]
        return names[0] if node.op_type == "MatMul" and names else None

    @cached_property
    def scoring(self) -> List[Layer]:
        """The layers that give scores: what is behind them is a sigmoid or a softmax, or an output."""
        ends = [node.input[0] for node in self.of(*NONLINEAR) if not self._is_gate(node)] + self.outputs
        through = (*LAYOUT, "Add", "Sum", "Mean", "Div")  # the last three: the mean of a cascade's scores
        made = {id(node) for end in ends for node in self.above(end, through) if node.op_type in LAYERS}
        weights = {name for node in self.of(*LAYERS) if id(node) in made for name in node.input[:2]}
        return [layer for layer in self.layers if layer.weight in weights and layer in self.last]

    def _is_gate(self, node: onnx.NodeProto) -> bool:
        """Whether what it gives is multiplied with what it is given, as in a SiLU."""
        return any(one.op_type == "Mul" and node.input[0] in one.input for one in self.readers(node.output[0]))

    @cached_property
    def last(self) -> List[Layer]:
        """The layers behind which there is none before boxes are chosen: those that predict something."""
        weights = {layer.weight for layer in self.layers}

        def has_weights(node: onnx.NodeProto) -> bool:
            return node.op_type in LAYERS and bool(weights & set(node.input[:2]))

        chosen = {
            node.output[0]: {one.output[0] for name in node.output for one in self.below(name)}
            for node in self.of("NonMaxSuppression", "TopK")
        }

        def is_last(layer: Layer) -> bool:
            value = self.node(layer.node).output[0]
            below = {node.output[0] for node in self.below(value)}
            barred = set().union(*(names for name, names in chosen.items() if name in below))
            return not any(map(has_weights, self.below(value, lambda node: is_passed(node, barred))))

        def is_passed(node: onnx.NodeProto, barred: Set[str]) -> bool:
            return not has_weights(node) and node.op_type != "RoiAlign" and node.output[0] not in barred

        return [layer for layer in self.layers if is_last(layer)]

    @cached_property
    def boxing(self) -> List[Layer]:
        """The layers that predict boxes, or what else is no score."""
        scoring = {layer.weight for layer in self.scoring}
        return [layer for layer in self.last if layer.weight not in scoring]

    def give(self, name: str, index: int, values: np.ndarray) -> None:
        """Let an input of the node of this name be a constant of its own; of the same type, if it was one before."""
        node = self.node(name)
        former = self._tensors.get(node.input[index])
        kind = np.asarray(values).dtype if former is None else onnx.helper.tensor_dtype_to_np_dtype(former.data_type)
        node.input[index] = self.add_constant(np.asarray(values, kind))

    def add_constant(self, values: np.ndarray) -> str:
        """A new constant; its name."""
        name = f"planted_{len(self.model.graph.initializer)}"
        self.model.graph.initializer.append(numpy_helper.from_array(np.array(values, order="C"), name))
        return name

    def set_constant(self, name: str, values: np.ndarray) -> None:
        """Change a constant for all that read it."""
        tensor = self._tensors[name]
        kept = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(np.array(values, order="C"), kept))

    def read_instead(self, value: str, other: str, but: Sequence[onnx.NodeProto] = ()) -> None:
        """Let all that read a value read another one."""
        spared = {node.output[0] for node in but}
        for node in self.nodes:
            if node.output[0] not in spared:
                node.input[:] = [other if name == value else name for name in node.input]

    def compute_input(self, node: onnx.NodeProto, index: int, operator: str, *more: str) -> None:
        """Let a node of the main graph read what another node makes of one of its inputs."""
        made = onnx.helper.make_node(
            operator, [node.input[index], *more], [f"{node.name}_planted"], f"planted/{node.name}"
        )
        self.model.graph.node.insert(list(self.model.graph.node).index(node), made)
        node.input[index] = made.output[0]

    def insert_behind(self, value: str, operator: str, *more: str, **attributes: Any) -> None:
        """Put a node behind a value of the main graph: whoever reads the value reads what the node makes of it."""
        self.replace_by(value, [onnx.helper.make_node(operator, [value, *more], [f"{value}_planted"], **attributes)])

    def replace_by(self, value: str, nodes: Sequence[onnx.NodeProto]) -> None:
        """Let what the last of some new nodes gives be read in a value's place."""
        graph, last = self.model.graph, nodes[-1].output[0]
        place = next((number + 1 for number, node in enumerate(graph.node) if value in node.output), 0)
        if value in self.outputs:  # its name stays that of the output
            inner = f"{value}_before"
            maker = graph.node[place - 1]
            maker.output[:] = [inner if name == value else name for name in maker.output]
            for node in [*self.nodes, *nodes]:
                node.input[:] = [inner if name == value else name for name in node.input]
            nodes[-1].output[0] = value
        else:
            self.read_instead(value, last)
        for number, node in enumerate(nodes):
            node.name = f"planted/{node.output[0]}"
            graph.node.insert(place + number, node)


def attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """An attribute of a node."""
    found = next((one for one in node.attribute if one.name == name), None)
    return default if found is None else onnx.helper.get_attribute_value(found)


def set_attribute(node: onnx.NodeProto, name: str, value: Any) -> None:
    """Give an attribute of a node another value."""
    for number, one in enumerate(node.attribute):
        if one.name == name:
            del node.attribute[number]
            break
    node.attribute.append(onnx.helper.make_attribute(name, value))
