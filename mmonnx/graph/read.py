"""Reading an ONNX file that somebody gives."""

import os
from pathlib import Path
from typing import Union

import onnx

from ..errors import InputError, first_line


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
        model = onnx.load(os.fspath(path), load_external_data=False)
    except Exception as error:  # protobuf's own errors, and those of reading
        reason = first_line(error)[:300]
        raise InputError(f"{name} cannot be read ({reason})", "an ONNX file", "export it again") from error
    if not model.ir_version or not model.opset_import or not model.graph.ByteSize():
        raise InputError(f"{name} is no ONNX model", "a file with an opset and a graph", "export it again")
    try:
        onnx.load_external_data_for_model(model, str(Path(path).resolve().parent))
        # by its path, as a model over 2 GiB has no other form
        onnx.checker.check_model(os.fspath(path))
    except Exception as error:  # the checker's, and those of reading
        reason = first_line(error)[:300]
        raise InputError(f"{name} is not valid ({reason})", "a valid ONNX model", "export it again") from error
    return model
