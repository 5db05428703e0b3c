"""Models over 2 GiB, which protobuf holds and cannot serialize: their weights go to the disk, or are set aside."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Callable, Dict, Iterator

import onnx

LIMIT = 2**31 - 1
"""Bytes that protobuf can serialize."""
_HEADER = 32
"""Bytes that a part of a message needs at most besides what it holds."""
_QUICK = 2**24
"""Bytes that are serialized in no time."""
SMALL = 1024
"""Bytes up to which a tensor stays in the graph."""


def byte_size(model: onnx.ModelProto) -> int:
    """The size of a model, its weights included; of a large one, a few bytes for each tensor and node too many.

    Protobuf counts by serializing, which takes seconds for large models and fails for those over 2 GiB.
    """
    weights = sum(map(_tensor_size, model.graph.initializer))
    if weights < _QUICK:
        return int(model.ByteSize())
    parts = [*model.graph.node, *model.functions, *model.metadata_props, *model.graph.value_info]
    return weights + sum(part.ByteSize() + _HEADER for part in parts)


def _tensor_size(tensor: onnx.TensorProto) -> int:
    if not tensor.HasField("raw_data"):
        return int(tensor.ByteSize()) + _HEADER
    return len(tensor.raw_data) + len(tensor.name.encode()) + 10 * len(tensor.dims) + _HEADER


def is_large(model: onnx.ModelProto) -> bool:
    """Whether a model has to have its weights beside it."""
    return byte_size(model) > LIMIT


def save(model: onnx.ModelProto, path: str) -> None:
    """Write a model, and where it is large its weights beside it, to a temporary file; it is not changed."""
    if not is_large(model):
        onnx.save(model, path)
        return
    copied = onnx.ModelProto()
    copied.CopyFrom(model)  # onnx takes the weights out of what it saves
    onnx.save(copied, path, save_as_external_data=True, location=f"{Path(path).name}.data", size_threshold=SMALL)


@contextlib.contextmanager
def on_disk(model: onnx.ModelProto) -> Iterator[str]:
    """The path of a model's file for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="mmonnx-") as folder:
        path = os.path.join(folder, "model.onnx")
        save(model, path)
        yield path


def check_valid(model: onnx.ModelProto) -> None:
    """Let onnx's checker look at a model of any size; what it raises goes through."""
    if is_large(model):
        with on_disk(model) as path:
            onnx.checker.check_model(path)
    else:
        onnx.checker.check_model(model)


def without_weights(function: Callable[[onnx.ModelProto], onnx.ModelProto], model: onnx.ModelProto) -> onnx.ModelProto:
    """What a function of onnx's makes of a model; it serializes it, and does not see the weights of a large one.

    Args:
        function: from model to model, which keeps the initializers.
        model: it is not changed.
    """
    if not is_large(model):
        return function(model)
    light, weights = onnx.ModelProto(), {}
    light.CopyFrom(model)
    for tensor in light.graph.initializer:
        if tensor.HasField("raw_data") and len(tensor.raw_data) > SMALL:
            weights[tensor.name] = _set_aside(tensor)
    return _put_back(function(light), weights)


def _set_aside(tensor: onnx.TensorProto) -> onnx.TensorProto:
    kept = onnx.TensorProto()
    kept.CopyFrom(tensor)
    onnx.external_data_helper.set_external_data(tensor, location="set aside")
    tensor.ClearField("raw_data")
    return kept


def _put_back(model: onnx.ModelProto, weights: Dict[str, onnx.TensorProto]) -> onnx.ModelProto:
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(weights[tensor.name])
    return model
