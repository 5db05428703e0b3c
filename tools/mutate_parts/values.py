"""A model to look around in: what makes a value, what reads it, what is constant."""

from functools import cached_property
from typing import Callable, Collection, Dict, Iterator, List, Optional, Sequence, Set, Tuple, Union

import numpy as np
import onnx
from onnx import numpy_helper

from mmonnx.graph.functions import opset_of, walk_nodes
from mmonnx.runtime.session import Session

Through = Union[Collection[str], Callable[[onnx.NodeProto], bool]]
"""Beyond which nodes to go on: those of some operators, or those of which a function says so."""


class Values:
    """What there is in an ONNX model, by names.

    Args:
        model: the model.
        feeds: inputs that the model takes, those of the export, for what is to be known of values.
    """

    def __init__(self, model: onnx.ModelProto, feeds: Dict[str, np.ndarray]) -> None:
        self.model, self.feeds = model, feeds
        self.opset = opset_of(model)
        self.outputs = [value.name for value in model.graph.output]
        self.inputs = [value.name for value in model.graph.input]

    @property
    def nodes(self) -> List[onnx.NodeProto]:
        """All nodes, those of subgraphs too."""
        return list(walk_nodes(self.model.graph))

    def of(self, *operators: str) -> List[onnx.NodeProto]:
        """The nodes of some operators, those of subgraphs too."""
        return [node for node in self.nodes if node.op_type in operators]

    def node(self, name: str) -> onnx.NodeProto:
        """The node of a name."""
        return next(node for node in self.nodes if node.name == name)

    @cached_property
    def _makers(self) -> Dict[str, onnx.NodeProto]:
        return {name: node for node in self.nodes for name in node.output if name}

    @cached_property
    def _readers(self) -> Dict[str, List[onnx.NodeProto]]:
        found: Dict[str, List[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.input):
                found.setdefault(name, []).append(node)
        return found

    @cached_property
    def _tensors(self) -> Dict[str, onnx.TensorProto]:
        found = {tensor.name: tensor for tensor in self.model.graph.initializer}
        for node in self.of("Constant"):
            for attribute in node.attribute:
                if attribute.name == "value":
                    found[node.output[0]] = attribute.t
        return {name: tensor for name, tensor in found.items() if name not in self.inputs}

    def maker(self, value: str) -> Optional[onnx.NodeProto]:
        """What gives a value; None for inputs and constants."""
        return self._makers.get(value)

    def readers(self, value: str) -> List[onnx.NodeProto]:
        """What reads a value."""
        return self._readers.get(value, [])

    def constant(self, value: str) -> Optional[np.ndarray]:
        """A constant; None for what is computed or given."""
        tensor = self._tensors.get(value)
        return None if tensor is None else np.array(numpy_helper.to_array(tensor))

    def is_constant(self, value: str) -> bool:
        """Whether a value is one; quicker than to read it."""
        return value in self._tensors

    def size(self, value: str) -> int:
        """How many values a constant has."""
        return int(np.prod(self._tensors[value].dims, dtype=np.int64))

    def constants(self, *operators: str) -> Iterator[Tuple[onnx.NodeProto, int, np.ndarray]]:
        """The constants of no more than 4096 values that such nodes read: the node, the input's number, the values."""
        for node in self.of(*operators):
            for index, name in enumerate(node.input):
                if name and self.is_constant(name) and self.size(name) <= 4096:
                    yield node, index, self.constant(name)

    def above(self, value: str, through: Optional[Through] = None, depth: int = 1000) -> List[onnx.NodeProto]:
        """The nodes from which a value comes, the nearest ones first.

        Args:
            through: beyond what to go on; all if None. The first others are among what is found.
            depth: how many nodes away at most.
        """
        return self._walk([value], lambda node: node.input, self._above, through, depth)

    def below(self, value: str, through: Optional[Through] = None, depth: int = 1000) -> List[onnx.NodeProto]:
        """The nodes to which a value comes; otherwise as ``above``."""
        return self._walk([value], lambda node: node.output, self.readers, through, depth)

    def _above(self, value: str) -> List[onnx.NodeProto]:
        node = self.maker(value)
        return [] if node is None else [node]

    @staticmethod
    def _walk(
        values: List[str],
        onward: Callable[[onnx.NodeProto], Sequence[str]],
        step: Callable[[str], List[onnx.NodeProto]],
        through: Optional[Through],
        depth: int,
    ) -> List[onnx.NodeProto]:
        goes_on = through if callable(through) else lambda node: through is None or node.op_type in through
        seen: Set[str] = set()
        found: List[onnx.NodeProto] = []
        for _ in range(depth):
            following: List[str] = []
            for node in (node for value in values for node in step(value)):
                key = node.output[0]
                if key in seen:
                    continue
                seen.add(key)
                found.append(node)
                if goes_on(node):
                    following += onward(node)
            values = following
            if not values:
                break
        return found

    def reaches(self, value: str) -> Set[str]:
        """The outputs of the model that depend on a value."""
        names = {value} | {name for node in self.below(value) for name in node.output}
        return names & set(self.outputs)

    def evaluated(self, value: str) -> np.ndarray:
        """What a value of the main graph is for the inputs of the export."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        if value not in self.outputs:
            model.graph.output.append(onnx.helper.make_empty_tensor_value_info(value))
        return Session(model, num_threads=1).run(self.feeds)[value]
