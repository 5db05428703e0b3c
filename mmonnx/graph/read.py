"""Reading an ONNX file that somebody gives."""

import math
import os
from pathlib import Path
from typing import Any, Union

import onnx

from ..runtime import check_external
from ..support import InputError, first_line


def read_model(path: Union[str, "os.PathLike[str]"]) -> onnx.ModelProto:
    """Read a model and what lies beside it as external data.

    Raises:
        InputError: there is no such file, it is no valid ONNX model, or its external data is missing, outside of its
            folder or too short.
    """
    name = f"'{path}'"
    if not Path(path).is_file():
        problem = "is not a file" if Path(path).exists() else "does not exist"
        raise InputError(f"model {name} {problem}", "an ONNX file", "give another path")
    try:
        model = onnx.load(os.fspath(path), format="protobuf", load_external_data=False)
    except Exception as error:  # protobuf's own errors, and those of reading
        reason = first_line(error)[:300]
        raise InputError(f"{name} cannot be read ({reason})", "an ONNX file", "export it again") from error
    check_external(path)
    if not model.ir_version or not model.opset_import or not model.graph.ByteSize():
        raise InputError(f"{name} is not an ONNX model", "a file with an opset and a graph", "export it again")
    try:
        onnx.load_external_data_for_model(model, str(Path(path).resolve().parent))
        # by its path, as a model over 2 GiB has no other form
        onnx.checker.check_model(os.fspath(path))
        _check_message(model)
    except Exception as error:  # the checker's, and those of reading
        reason = first_line(error)[:300]
        raise InputError(f"{name} is not valid ({reason})", "a valid ONNX model", "export it again") from error
    return model


def _check_message(message: Any) -> None:
    """Raise ValueError where the checker of ONNX does not look: names that are no text, tensors of another size."""
    pending = [message]
    while pending:
        current = pending.pop()
        if isinstance(current, onnx.TensorProto):
            _check_size(current)
            texts = [current.name, current.doc_string]
        else:
            texts = []
            for field, value in current.ListFields():
                values = [value] if isinstance(value, (str, bytes)) or hasattr(value, "ListFields") else value
                if field.type == field.TYPE_MESSAGE:
                    pending.extend(values)
                elif field.type == field.TYPE_STRING:
                    texts += values
        wrong = next((text for text in texts if not isinstance(text, str)), None)
        if isinstance(current, onnx.TypeProto.Tensor) and current.elem_type not in _TYPES:
            raise ValueError(f"the type {current.elem_type} is unknown")
        if wrong is not None:  # protobuf gives bytes where the text cannot be decoded
            raise ValueError(f"the name {wrong!r} is no UTF-8")


_TYPES = frozenset(onnx.TensorProto.DataType.values())
_BITS = {
    onnx.TensorProto.DataType.Value(name): size
    for size, names in {
        2: ("INT2", "UINT2"),
        4: ("INT4", "UINT4", "FLOAT4E2M1"),
        8: ("BOOL", "INT8", "UINT8", "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "FLOAT8E8M0"),
        16: ("FLOAT16", "BFLOAT16", "INT16", "UINT16"),
        32: ("FLOAT", "INT32", "UINT32"),
        64: ("DOUBLE", "INT64", "UINT64", "COMPLEX64"),
        128: ("COMPLEX128",),
    }.items()
    for name in names
    if hasattr(onnx.TensorProto, name)
}
"""Of one number."""


def _check_size(tensor: onnx.TensorProto) -> None:
    """Raise ValueError unless a tensor has as many numbers as its dims say: ONNX's checker does not count them all."""
    size = _BITS.get(tensor.data_type)
    if size is None or not tensor.HasField("raw_data"):
        return
    if min(tensor.dims, default=0) < 0 or len(tensor.raw_data) != -(-size * math.prod(tensor.dims) // 8):
        raise ValueError(f"tensor '{tensor.name}' of {list(tensor.dims)} holds {len(tensor.raw_data)} bytes")
