"""What is known of a tensor, and of a node whose inputs are known."""

from dataclasses import dataclass, field, replace
from typing import AbstractSet, Any, FrozenSet, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import onnx

from .sizes import NO_CAUSES, Causes, Size, exactly, known_numbers

Dims = Tuple[Size, ...]

# Shapes and indices are short; weights are not looked at.
_MAX_ITEMS = 64
_MAX_CONSTANT = 4096


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows that are certainly the last ones of a tensor.

    Attributes:
        axis: the axis that the rows follow each other on.
        array: the rows.
        nested: it is a mask (G, K) of which each row has all that the one before has.
    """

    axis: int
    array: np.ndarray
    nested: bool = False


@dataclass(frozen=True)
class Value:
    """What is known of one tensor.

    Attributes:
        dtype: numpy's name of the element type, empty if it is unknown.
        rank: None if it is unknown.
        tensor: the tensor, if it is a constant.
        dims: the size of each axis; None if they are unknown.
        loose: what makes it empty, where ``dims`` is None.
        items: the elements of a short vector or a scalar of whole numbers; None if they are not followed.
        bound: what holds of every element (``low``) and what the elements depend on (``causes``); no causes means
            that they follow from the input's shape and constants alone.
        holds: numbers that are certainly among the elements.
        rows: rows that are certainly the last ones.
    """

    dtype: str = ""
    rank: Optional[int] = None
    tensor: Optional[onnx.TensorProto] = None
    dims: Optional[Dims] = None
    loose: Causes = NO_CAUSES
    items: Optional[Tuple[Size, ...]] = None
    bound: Size = Size()
    holds: FrozenSet[float] = frozenset()
    rows: Optional[Rows] = None

    @property
    def empty_if(self) -> Causes:
        """What leaves this tensor without elements."""
        if self.dims is None:
            return self.loose
        return frozenset().union(*(size.empty_if for size in self.dims))

    def item(self) -> Size:
        """Its first element, as well as it is known."""
        return self.items[0] if self.items else self.bound

    def shaped(self, dims: Dims) -> "Value":
        """The same with these dims."""
        return replace(self, dims=dims, rank=len(dims), loose=NO_CAUSES)

    def elements(self) -> Optional[Tuple[Size, ...]]:
        """Its elements, as well as they are known, if it is a vector of known length or a scalar."""
        if self.items is not None:
            return self.items
        if self.dims is None or len(self.dims) > 1:
            return None
        length = self.dims[0].exact if self.dims else 1
        return None if length is None or length > _MAX_ITEMS else (self.bound,) * length

    def numbers(self) -> Optional[List[int]]:
        """Its elements, if all of them are known."""
        return None if self.items is None else known_numbers(self.items)

    def sizes(self) -> Optional[List[Optional[int]]]:
        """The size of each axis, None for one that is not known; None if the rank is not."""
        return None if self.dims is None else [size.exact for size in self.dims]

    def whole(self) -> Optional[List[Optional[int]]]:
        """The elements of a short vector of whole numbers, None for one that is not known; None if it is no such."""
        return None if self.items is None else [size.exact for size in self.items]

    def array(self) -> Optional[np.ndarray]:
        """Its elements if it is a constant, None otherwise."""
        return None if self.tensor is None else onnx.numpy_helper.to_array(self.tensor)

    def scalar(self) -> Optional[float]:
        """Its only element, if it is a constant of one."""
        if self.tensor is None or int(np.prod(self.tensor.dims)) != 1:
            return None
        return float(onnx.numpy_helper.to_array(self.tensor).reshape(-1)[0])


@dataclass(frozen=True)
class NodeView:
    """What the rules see of a node.

    Attributes:
        node: the node.
        opset: the opset of its domain in the model.
        inputs: one per input; None for an optional one that is left out.
        sources: the nodes that made the tensors so far, by the tensors' names.
        values: what is known of the tensors so far, by name.
        several: the tensors that nodes of the same graph make, and that more than one node or output reads.
    """

    node: onnx.NodeProto
    opset: int
    inputs: Tuple[Optional[Value], ...] = ()
    sources: Mapping[str, "NodeView"] = field(default_factory=dict)
    values: Mapping[str, Value] = field(default_factory=dict)
    several: AbstractSet[str] = frozenset()

    def shared(self, index: int) -> bool:
        """Whether an input is made by a node of the same graph, and is read elsewhere or given by the graph as well."""
        return index < len(self.node.input) and self.node.input[index] in self.several

    def same(self, first: int, second: int) -> bool:
        """Whether two inputs are one tensor."""
        names = list(self.node.input)
        return max(first, second) < len(names) and names[first] == names[second] != ""

    def lookup(self, name: str) -> Optional[Value]:
        """What is known of a tensor by its name, None if it comes later or not at all."""
        return self.values.get(name)

    def source(self, index: int) -> Optional["NodeView"]:
        """The node that makes an input, None if none of this graph or of those around it does."""
        return self.sources.get(self.node.input[index]) if index < len(self.node.input) else None

    @property
    def operator(self) -> str:
        """The node's type."""
        return self.node.op_type

    @property
    def output_count(self) -> int:
        """How many outputs the node has."""
        return len(self.node.output)

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

    def input(self, index: int) -> Optional[Value]:
        """An input, None if it is not given."""
        return self.inputs[index] if index < len(self.inputs) else None


@dataclass(frozen=True)
class Step:
    """A node whose inputs are known.

    Attributes:
        view: the node, with :class:`Value` as inputs.
        name: what findings call it.
        producers: the node that made a value, by the value's name.
        values: what is known of every value so far.
    """

    view: NodeView
    name: str
    producers: Mapping[str, onnx.NodeProto]
    values: Mapping[str, "Value"]

    @property
    def inputs(self) -> Tuple[Optional[Value], ...]:
        """What is known of each input; None for one that is left out."""
        return self.view.inputs

    def value(self, index: int) -> Value:
        """An input; nothing is known of one that is not given."""
        return self.view.input(index) or Value()

    def dims(self, index: int) -> Optional[Dims]:
        """An input's shape, None if it is unknown."""
        return self.value(index).dims

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute's value, or the default where neither the node nor the operator has one."""
        found = self.view.attribute(name)
        return default if found is None else found

    def axes(self, rank: int, index: int = 1) -> Optional[List[int]]:
        """The axes of an operator that has them as an attribute or, from opset 13 on, as an input; not negative."""
        found = self.attribute("axes")
        if found is None:
            found = self.value(index).numbers()
        return None if found is None else [axis % max(rank, 1) for axis in found]


def constant(tensor: onnx.TensorProto, name: str) -> Value:
    """What is known of a constant."""
    dims = tuple(exactly(size, name) for size in tensor.dims)
    dtype = dtype_name(tensor.data_type)
    value = Value(dtype=dtype, rank=len(dims), tensor=tensor, dims=dims)
    count = int(np.prod(tensor.dims, dtype=np.int64))
    if not 0 < count <= _MAX_CONSTANT or dtype in ("", "object"):
        return value
    array = onnx.numpy_helper.to_array(tensor)
    found = np.unique(array)
    if len(found) <= _MAX_ITEMS:
        value = replace(value, holds=frozenset(found.astype(float).tolist()))
    if np.issubdtype(array.dtype, np.integer):
        value = replace(value, bound=Size(int(found[0]), NO_CAUSES, int(found[0]) if len(found) == 1 else None))
        if array.ndim <= 1 and array.size <= _MAX_ITEMS:
            value = replace(value, items=tuple(exactly(int(number)) for number in array.reshape(-1)))
    return value


def declared(value_type: Optional[onnx.TypeProto], name: str) -> Value:
    """What a declared or inferred type says."""
    if value_type is None or not value_type.HasField("tensor_type"):
        return Value()
    tensor = value_type.tensor_type
    dtype = dtype_name(tensor.elem_type)
    if not tensor.HasField("shape"):
        return Value(dtype=dtype)
    dims = [exactly(dim.dim_value, name) if dim.HasField("dim_value") else Size() for dim in tensor.shape.dim]
    return Value(dtype=dtype, rank=len(dims), dims=tuple(dims))


def refined(dims: Sequence[Size], other: Optional[Dims]) -> Dims:
    """Sizes, with the numbers of the other source where this one has none."""
    if other is None or len(other) != len(dims):
        return tuple(dims)
    return tuple(
        theirs if ours.exact is None and not ours.causes and theirs.exact is not None else ours
        for ours, theirs in zip(dims, other)
    )


def dtype_name(elem_type: int) -> str:
    """numpy's name of an ONNX element type, empty for none."""
    try:
        return onnx.helper.tensor_dtype_to_np_dtype(elem_type).name
    except KeyError:
        return ""
