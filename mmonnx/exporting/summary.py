"""The closing table of an export."""

from collections import Counter
from typing import List, Optional, Sequence

import onnx

from ..graph import count_nodes, file_size, walk_nodes
from ..precision import Reduced
from ..precision import rows as reduced_rows
from ..rewriting import MMCV
from ..terminal import Row
from ..verifying import Verification


def summary(
    model: onnx.ModelProto,
    nodes_before: Optional[int] = None,
    simplifier: Optional[str] = None,
    verified: Optional[Verification] = None,
    notes: Sequence[str] = (),
    path: str = "",
    reduced: Optional[Reduced] = None,
) -> List[Row]:
    """The rows of the closing table.

    Args:
        model: the final model.
        nodes_before: the number of nodes before simplification; None if it was not asked for.
        simplifier: the tool whose result the model is; None if it is not simplified.
        verified: what the verification says; None if it was not asked for.
        notes: further lines, for example of an axis that stays static.
        path: the file.
        reduced: what it lost in fewer bits; None for a file in float32.
    """
    rows = [("file", f"{path}, {file_size(model)}" if path else file_size(model))]
    rows += [("input", describe_value(value)) for value in model.graph.input]
    rows += [("output", describe_value(value)) for value in model.graph.output]
    rows.append(("opset", ", ".join(f"{entry.domain or 'onnx'} {entry.version}" for entry in model.opset_import)))
    custom = Counter(node.op_type for node in walk_nodes(model.graph) if node.domain == MMCV)
    if custom:
        counted = ", ".join(f"{count} {name}" for name, count in sorted(custom.items()))
        rows.append(("custom ops", f"{counted}: {'with' if model.functions else 'without'} bodies in the file"))
    nodes = str(count_nodes(model))
    if nodes_before is not None:
        nodes = f"{nodes_before} before, {nodes} after {simplifier}" if simplifier else f"{nodes}, not simplified"
    rows.append(("nodes", nodes))
    verdict = "not asked for (--verify)" if verified is None else _verdict(verified)
    rows.append(("verified", f"{verdict}, before it was reduced" if verified and reduced else verdict))
    rows += [] if reduced is None else reduced_rows(reduced)
    return rows + [("note", note) for note in notes]


def _verdict(verified: Verification) -> str:
    """How many cases count, and hold: where neither side finds anything, nothing is shown."""
    bad = [result.name for result in verified.results if not result.ok]
    empty = sum(result.verdict == "empty" for result in verified.results)
    counted = len(verified.results) - empty
    rest = f"; {empty} without anything to find" if empty else ""
    if bad:
        return f"{counted - len(bad)} of {counted} cases; not: {', '.join(bad)}{rest}"
    if not verified.compared:
        inside = f"; what is inside agrees in {counted}" if counted else ""
        return f"no answer was compared{inside}{rest}"
    return f"{counted} of {counted} cases agree with PyTorch{rest}"


def describe_value(value: onnx.ValueInfoProto) -> str:
    """An input or output for people: ``input float32 (batch, 3, height, width)``."""
    tensor = value.type.tensor_type
    kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name if tensor.elem_type else "?"
    dims = [dim.dim_param or (str(dim.dim_value) if dim.HasField("dim_value") else "?") for dim in tensor.shape.dim]
    return f"{value.name} {kind} ({', '.join(dims)})"
