"""What there is to know of an ONNX file: ``mmonnx inspect``."""

import json
import os
from collections import Counter
from typing import Any, Dict, List, Optional, Tuple

import onnx

from ..runtime import PREFIX
from ..support import printable
from ..targets import TARGETS, full_name
from .check import check_target
from .cost import Cost, cost_at
from .functions import walk_nodes
from .kinds import runs_of
from .read import read_model

_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16)


def inspect(path: str, shape: Optional[Tuple[int, int]] = None) -> Dict[str, Any]:
    """Everything that the file tells, as JSON holds it.

    Args:
        path: the file.
        shape: (height, width) to count the operations at; None for those of its input, if they are fixed.

    Raises:
        InputError: it is no valid ONNX file, or does not take such images.
    """
    model = read_model(path)
    operators = Counter(full_name(node.domain, node.op_type) for node in walk_nodes(model.graph))
    weights = _weights(model)
    initialized = {tensor.name for tensor in model.graph.initializer}
    shape = shape or _own_shape(model)
    cost = cost_at(model, shape) if shape else None
    domains = sorted({name.split("::")[0] for name in operators if "::" in name})
    metadata = {entry.key: _parsed(entry.key, entry.value) for entry in model.metadata_props}
    return {
        "file": path,
        "bytes": _bytes(path),
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "opsets": {entry.domain or "ai.onnx": entry.version for entry in model.opset_import},
        "inputs": [_value(value) for value in model.graph.input if value.name not in initialized],
        "optional_inputs": [_value(value) for value in model.graph.input if value.name in initialized],
        "outputs": [_value(value) for value in model.graph.output],
        "operators": dict(operators.most_common()),
        "custom_domains": domains,
        "functions": sorted(full_name(function.domain, function.name) for function in model.functions),
        "parameters": sum(_size(tensor) for tensor in weights),
        "flops": cost and _flops(cost, shape or (0, 0)),
        "targets": {
            name: [str(finding) for finding in check_target(model, target)] for name, target in TARGETS.items()
        },
        # the files that were run have standard operators alone
        "runs": None if domains else runs_of(metadata),
        "metadata": metadata,
    }


def _weights(model: onnx.ModelProto) -> List[onnx.TensorProto]:
    """The tensors that hold what was learned: floats, and what is made floats of, but for the scales to do it by."""
    whole, scales = set(), set()
    for node in model.graph.node:
        if node.op_type in ("DequantizeLinear", "QuantizeLinear"):
            whole.add(node.input[0])
            scales.update(node.input[1:])
    tensors = [tensor for tensor in model.graph.initializer if tensor.name not in scales]
    return [tensor for tensor in tensors if tensor.data_type in _FLOATS or tensor.name in whole]


def rows(found: Dict[str, Any]) -> List[Tuple[str, str]]:
    """The same for people: a name and a value a row."""
    lines = [("file", f"{found['file']}, {found['bytes'] / 2**20:.1f} MiB, by {found['producer'] or 'nobody'}")]
    for kind in ("inputs", "optional_inputs", "outputs"):
        lines += [(kind[:-1].replace("_", " "), f"{name} {dtype} {dims}") for name, dtype, dims in found[kind]]
    lines.append(("opsets", ", ".join(f"{name} {version}" for name, version in found["opsets"].items())))
    lines.append(("parameters", f"{found['parameters']:,}"))
    if found["flops"]:
        more = found["flops"]["uncounted_nodes"]
        rest = f", and {more} {'nodes' if more > 1 else 'node'} whose size the shape does not tell" if more else ""
        at = "x".join(map(str, found["flops"]["shape"]))
        lines.append(("operations", f"{found['flops']['total'] / 1e9:.2f} GFLOP at {at}{rest}"))
    lines.append(("operators", ", ".join(f"{count} {name}" for name, count in found["operators"].items())))
    lines += _target_rows(found)
    for key, value in found["metadata"].items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if key == PREFIX + "config_text":
            text = f"{len(text.splitlines())} lines (--json shows them)"
        lines.append((key, text if len(text) <= 400 else f"{text[:400]} ... ({len(text)} characters, see --json)"))
    return [(printable(name), printable(text)) for name, text in lines]


def _target_rows(found: Dict[str, Any]) -> List[Tuple[str, str]]:
    """What the table of each target says of the file, and what became of a file of its kind in the runtime itself."""
    runs, lines = found["runs"], []
    if runs:
        like = f"{runs['title']} ({runs['config']}, {runs['weights']} weights)"
        lines.append(("kind", f"that of {like}, whose files were run in other runtimes"))
    for name, findings in found["targets"].items():
        lines.append((name, f"{len(findings)} findings, first: {findings[0]}" if findings else "supports every node"))
        if runs and name in runs["runtimes"]:
            lines.append(("", f"a file of this kind, run: {runs['runtimes'][name]['told']}"))
    return lines


def _flops(cost: Cost, shape: Tuple[int, int]) -> Dict[str, Any]:
    return {
        "shape": list(shape),
        "total": cost.flops,
        "uncounted_nodes": cost.uncounted,
        "by_operator": cost.by_operator,
        "by_module": cost.by_module,
    }


def _value(value: onnx.ValueInfoProto) -> List[Any]:
    tensor = value.type.tensor_type
    kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name if tensor.elem_type else "?"
    dims = [dim.dim_param or (dim.dim_value if dim.HasField("dim_value") else "?") for dim in tensor.shape.dim]
    return [value.name, kind, dims]


def _own_shape(model: onnx.ModelProto) -> Optional[Tuple[int, int]]:
    """(height, width) of the first input, None if it is not an image of a fixed size."""
    dims = list(model.graph.input[0].type.tensor_type.shape.dim) if model.graph.input else []
    if len(dims) != 4 or not (dims[2].dim_value and dims[3].dim_value):
        return None
    return dims[2].dim_value, dims[3].dim_value


def _size(tensor: onnx.TensorProto) -> int:
    result = 1
    for dim in tensor.dims:
        result *= dim
    return result


def _bytes(path: str) -> int:
    """Of the file, and of what lies beside it."""
    bare = onnx.load(path, load_external_data=False)
    beside = {
        entry.value for tensor in bare.graph.initializer for entry in tensor.external_data if entry.key == "location"
    }
    folder = os.path.dirname(os.path.abspath(path))
    return os.path.getsize(path) + sum(os.path.getsize(os.path.join(folder, name)) for name in beside)


def _parsed(key: str, value: str) -> Any:
    """What mmonnx wrote as JSON, parsed; anything else as it is."""
    if key.startswith(PREFIX) and key != PREFIX + "config_text":
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
