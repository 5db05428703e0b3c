"""Tables that are read at so many fixed places that a file is to have the places, not what is read."""

import importlib
import math
from contextlib import contextmanager
from typing import Any, Iterator, List, Optional, Sequence

from ...environment import compat
from ...runtime import large
from .legacy import Symbolic


@contextmanager
def tables_kept(opset: int) -> Iterator[None]:
    """Keep the exporter from folding such a read: the bias of each layer of BEiT is 123 MB of a table of 0.3 MB.

    It folds what it knows to be constant, and does not know an Identity. The simplifiers' part is
    ``runtime.large.weights_as_inputs``.
    """
    with compat.symbolics_around(opset, {"index": _index, "index_select": _index_select, "embedding": _embedding}):
        yield


def _index(original: Symbolic) -> Symbolic:
    def index(g: Any, table: Any, places: Any) -> Any:
        listed = list(places.node().inputs()) if places.node().kind() == "prim::ListConstruct" else [places]
        sizes = [None if one.node().mustBeNone() else _sizes(one) for one in listed]
        axes = [axis for axis, one in enumerate(listed) if not one.node().mustBeNone()]
        known = [size for size in sizes if size is not None]
        return original(g, _kept(g, table, axes, known) if len(known) == len(axes) else table, places)

    return index


def _index_select(original: Symbolic) -> Symbolic:
    def index_select(g: Any, table: Any, dim: Any, places: Any) -> Any:
        axis = importlib.import_module("torch.onnx.symbolic_helper")._maybe_get_const(dim, "i")
        sizes = _sizes(places)
        if isinstance(axis, int) and sizes is not None:
            table = _kept(g, table, [axis], [sizes])
        return original(g, table, dim, places)

    return index_select


def _embedding(original: Symbolic) -> Symbolic:
    def embedding(g: Any, table: Any, places: Any, *args: Any) -> Any:
        sizes = _sizes(places)
        return original(g, table if sizes is None else _kept(g, table, [0], [sizes]), places, *args)

    return embedding


def _kept(g: Any, table: Any, axes: Sequence[int], places: Sequence[List[int]]) -> Any:
    """The table, behind an Identity if what is read of it along some axes is not to be written out."""
    sizes = _sizes(table)
    if sizes is None or not axes or 0 in sizes:
        return table
    count = max(map(math.prod, places))
    read = math.prod(sizes) // math.prod(sizes[axis] for axis in axes) * count
    return g.op("Identity", table).setType(table.type()) if large.is_read_out(math.prod(sizes), count, read) else table


def _sizes(value: Any) -> Optional[List[int]]:
    """The sizes of a traced tensor's axes; None if they are not known."""
    kind = value.type()
    return kind.sizes() if kind.kind() == "TensorType" else None
