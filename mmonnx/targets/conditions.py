"""What a form that a target refuses is made of: small conditions on one node, all of them plain data."""

from dataclasses import dataclass
from typing import Any, Optional, Tuple

import numpy as np
import onnx


@dataclass(frozen=True)
class Operand:
    """What a condition can ask of one input of a node.

    Attributes:
        dtype: numpy's name of the element type, empty if it is unknown.
        rank: None if it is unknown.
        tensor: the tensor, if it is a constant.
    """

    dtype: str = ""
    rank: Optional[int] = None
    tensor: Optional[onnx.TensorProto] = None


@dataclass(frozen=True)
class NodeView:
    """What a condition sees of a node.

    Attributes:
        node: the node.
        opset: the opset of its domain in the model.
        inputs: one per input; None for an optional one that is left out.
    """

    node: onnx.NodeProto
    opset: int
    inputs: Tuple[Optional[Operand], ...] = ()

    def attribute(self, name: str) -> Any:
        """The value of an attribute, its default if it is not set, None if there is none; strings as str."""
        found = next((item for item in self.node.attribute if item.name == name), None)
        if found is None:
            try:
                schema = onnx.defs.get_schema(self.node.op_type, self.opset, self.node.domain)
            except onnx.defs.SchemaError:  # a custom operator
                return None
            if name not in schema.attributes:
                return None
            found = schema.attributes[name].default_value
            if not found.name:
                return None
        value = onnx.helper.get_attribute_value(found)
        return value.decode() if isinstance(value, bytes) else value

    def has(self, name: str) -> bool:
        """Whether an attribute is set."""
        return any(item.name == name for item in self.node.attribute)

    def input(self, index: int) -> Optional[Operand]:
        """An input, None if it is not given."""
        return self.inputs[index] if index < len(self.inputs) else None


class Condition:
    """Something that holds of a node or does not; what is not known does not hold."""

    def holds(self, view: NodeView) -> bool:
        raise NotImplementedError


@dataclass(frozen=True)
class Is(Condition):
    """The attribute, or its default, is one of these values."""

    name: str
    values: Tuple[Any, ...]

    def holds(self, view: NodeView) -> bool:
        return view.attribute(self.name) in self.values


@dataclass(frozen=True)
class IsNot(Condition):
    """The attribute, or its default, is none of these values; it may not exist at all."""

    name: str
    values: Tuple[Any, ...]

    def holds(self, view: NodeView) -> bool:
        return view.attribute(self.name) not in self.values


@dataclass(frozen=True)
class Given(Condition):
    """At least one of these attributes is set."""

    names: Tuple[str, ...]

    def holds(self, view: NodeView) -> bool:
        return any(view.has(name) for name in self.names)


@dataclass(frozen=True)
class Missing(Condition):
    """The attribute is not set, nor is the input that newer opsets have in its place."""

    name: str
    input: Optional[int] = None

    def holds(self, view: NodeView) -> bool:
        return not view.has(self.name) and (self.input is None or view.input(self.input) is None)


@dataclass(frozen=True)
class AnyElement(Condition):
    """The attribute is set, and one of its elements is not this number."""

    name: str
    unlike: int

    def holds(self, view: NodeView) -> bool:
        return any(element != self.unlike for element in view.attribute(self.name) or ())


@dataclass(frozen=True)
class Asymmetric(Condition):
    """The padding at the begin of some axis is another than at its end."""

    name: str = "pads"

    def holds(self, view: NodeView) -> bool:
        pads = list(view.attribute(self.name) or ())
        return pads[: len(pads) // 2] != pads[len(pads) // 2 :]


@dataclass(frozen=True)
class AnyRank(Condition):
    """Some input has this rank."""

    rank: int

    def holds(self, view: NodeView) -> bool:
        return any(operand is not None and operand.rank == self.rank for operand in view.inputs)


@dataclass(frozen=True)
class RankReachesInputs(Condition):
    """The rank of some input is at least the number of inputs."""

    def holds(self, view: NodeView) -> bool:
        ranks = [operand.rank for operand in view.inputs if operand is not None and operand.rank is not None]
        return bool(ranks) and max(ranks) >= len(view.inputs)


@dataclass(frozen=True)
class NotLastAxis(Condition):
    """The operator works along another axis than the last."""

    def holds(self, view: NodeView) -> bool:
        axis, operand = view.attribute("axis"), view.input(0)
        if axis == -1 or operand is None or operand.rank is None:
            return False
        return axis % max(operand.rank, 1) != operand.rank - 1


@dataclass(frozen=True)
class NegativeConstant(Condition):
    """An input is a constant with a negative element."""

    index: int

    def holds(self, view: NodeView) -> bool:
        operand = view.input(self.index)
        if operand is None or operand.tensor is None:
            return False
        return bool(np.any(onnx.numpy_helper.to_array(operand.tensor) < 0))


@dataclass(frozen=True)
class OpsetFrom(Condition):
    """The model's opset is this one or a later one."""

    first: int

    def holds(self, view: NodeView) -> bool:
        return view.opset >= self.first
