"""What the values of a graph depend on, while it is being traced: the inputs' values, or sizes of tensors alone."""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

import torch

from ...environment import compat

_SIZE = {"aten::size", "aten::sym_size", "aten::_shape_as_tensor", "aten::numel", "aten::sym_numel", "aten::len"}
_FILLED = {f"aten::{name}" for kind in ("empty", "full", "ones", "zeros") for name in (f"{kind}_like", f"new_{kind}")}
_FILLED |= {"aten::rand_like", "aten::randn_like", "aten::randint_like"}
_SHAPED_AS = {"aten::expand_as", "aten::view_as", "aten::reshape_as", "aten::type_as"}
_NOTHING = {"prim::Constant", "prim::dtype", "prim::device", "aten::dim", "aten::is_floating_point"}
_VIEWS = {"select", "slice", "view", "reshape", "transpose", "permute", "unsqueeze", "squeeze", "expand", "narrow"}
_VIEWS |= {"detach", "alias", "t", "flatten", "unbind", "chunk", "split", "as_strided", "movedim", "diagonal", "unfold"}
_VIEWS = {f"aten::{name}" for name in _VIEWS} | {"prim::ListUnpack", "prim::TupleUnpack"}
_COUNTED = {"aten::nonzero", "aten::masked_select", "aten::unique", "aten::_unique2", "aten::unique_dim"}
_COUNTED |= {"aten::unique_consecutive", "aten::repeat_interleave", "torchvision::nms", "aten::nonzero_numpy"}


class Dependence(NamedTuple):
    """What a value depends on.

    Attributes:
        data: the inputs' values.
        sizes: the sizes of tensors that it is made of, as they are in this trace, each once, in the trace's order.
        counted: the values of the inputs decide how long the value's first axis is.
    """

    data: bool = False
    sizes: Tuple[int, ...] = ()
    counted: bool = False

    @property
    def anything(self) -> bool:
        """Whether it is no constant."""
        return self.data or self.counted or bool(self.sizes)


NOTHING = Dependence()


def union(parts: Iterable[Dependence]) -> Dependence:
    """What a value depends on that is made of several."""
    parts = list(parts)
    # each once: where two values are made of one another again and again, what both depend on would double each time
    return Dependence(
        any(part.data for part in parts),
        tuple(dict.fromkeys(size for part in parts for size in part.sizes)),
        any(part.counted for part in parts),
    )


class _Read:
    """How far a block was read.

    Attributes:
        last: the last node that was there.
        count: how many there were.
        inside: the blocks of the last node, which the tracer fills while the module runs that the node is of.
    """

    def __init__(self) -> None:
        self.last: Any = None
        self.count = 0
        self.inside: List[Tuple[Any, _Read]] = []


class Dependences:
    """Asks a graph that is being traced; each node is looked at once.

    Args:
        inputs: how many of the graph's inputs are the model's; the others are its weights.
    """

    def __init__(self, inputs: int) -> None:
        self._inputs = inputs
        self._known: Dict[int, Dependence] = {}
        self._bases: Dict[int, int] = {}
        self._whole = _Read()

    def of(self, tensor: torch.Tensor) -> Dependence:
        """What a tensor depends on; nothing if the trace does not know it."""
        try:
            value = torch._C._get_value_trace(tensor)
        except RuntimeError:  # a parameter that is no part of the model
            return NOTHING
        self._read(torch._C._get_tracing_state().graph())
        return self._of(value)

    def _of(self, value: Any) -> Dependence:
        found, number = [], value.unique()
        while number is not None:  # what is written into a tensor is written into its views
            found.append(self._known.get(number, NOTHING))
            number = self._bases.get(number)
        return found[0] if len(found) == 1 else union(one for one in found if one.anything)

    def _read(self, graph: Any) -> None:
        """Look at the nodes that are new."""
        if not self._known:
            for value in list(graph.inputs())[: self._inputs]:
                self._known[value.unique()] = Dependence(data=True)
        self._read_on(graph, self._whole)

    def _read_on(self, block: Any, read: _Read) -> None:
        for inner, known in read.inside:
            self._read_on(inner, known)
        for node in compat.nodes_behind(block, read.last, read.count):
            read.last, read.count = node, read.count + 1
            read.inside = [(inner, _Read()) for inner in node.blocks()]
            for inner, known in read.inside:
                self._read_on(inner, known)
            self._look_at(node)

    def _look_at(self, node: Any) -> None:
        kind, inputs = node.kind(), list(node.inputs())
        found = self._result(kind, inputs, node)
        inner = [value for block in node.blocks() for part in block.nodes() for value in part.outputs()]
        if inner:
            found = union([found, *map(self._of, inner)])
        for value in node.outputs():
            if found.anything:
                self._known[value.unique()] = found
            if inputs and kind in _VIEWS:
                self._bases[value.unique()] = inputs[0].unique()
        if inputs and found.anything and kind.endswith("_") and not kind.endswith("__"):
            self._write(inputs[0].unique(), found)

    def _write(self, number: Optional[int], found: Dependence) -> None:
        """Note what is written into a value in place, and so into all that it is a view of."""
        while number is not None:
            self._known[number] = union([self._known.get(number, NOTHING), found])
            number = self._bases.get(number)

    def _result(self, kind: str, inputs: List[Any], node: Any) -> Dependence:
        """What a node's outputs depend on."""
        if kind in _NOTHING or not inputs:
            return NOTHING
        if kind in _SIZE:
            return self._size(inputs)
        found = [self._of(value) for value in inputs]
        if kind in _FILLED:
            sizes = self._size(inputs[:1])
            return union([sizes, *found[1:]]) if found[0].anything else union(found[1:])
        if kind in _SHAPED_AS:
            return found[0]
        result = union(found)
        if kind in _COUNTED or kind == "aten::index" and any(map(_is_mask, inputs[1].node().inputs())):
            return result._replace(counted=result.data or result.counted)
        return result

    def _size(self, inputs: List[Any]) -> Dependence:
        """One size of a tensor, or all of them."""
        tensor = inputs[0]
        hangs = self._of(tensor)
        sizes = _sizes(tensor)
        if not hangs.anything or sizes is None:
            return hangs
        axis = inputs[1].toIValue() if len(inputs) > 1 else None
        if not isinstance(axis, int) or not sizes:
            return Dependence(hangs.counted, tuple(sizes))
        return Dependence(hangs.counted and axis % len(sizes) == 0, (sizes[axis],))


def _sizes(value: Any) -> Optional[List[int]]:
    kind = value.type()
    sizes = kind.sizes() if hasattr(kind, "sizes") else None
    return None if sizes is None or any(size is None for size in sizes) else list(sizes)


def _is_mask(value: Any) -> bool:
    kind = value.type()
    return hasattr(kind, "scalarType") and kind.scalarType() in ("Bool", "Byte")
