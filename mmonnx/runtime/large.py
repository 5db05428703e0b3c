"""Models that are not copied at will: their weights go to the disk, or are set aside.

Those over 2 GiB protobuf holds and cannot serialize; and whatever serializes a model takes its size several times over.
"""

import contextlib
import math
import os
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, Iterator, Mapping, Optional, Set, Tuple

import onnx

LIMIT = 2**31 - 1
"""Bytes that protobuf can serialize."""
_HEADER = 32
"""Bytes that a part of a message needs at most besides what it holds."""
_QUICK = 2**24
"""Bytes that are serialized in no time."""
_SMALL = 1024
"""Bytes up to which a tensor stays in the graph."""
_PAGE = 4096
"""What the offset of a tensor in a file of weights is a multiple of, so that a runtime can map it."""
_WEIGHT = 2**20
"""Bytes from which on a tensor is kept from a simplifier: what it computes of constants are tables and shapes."""
_READ = 2**23
"""Elements that are read of a table at fixed places from which on the places are less to have in a file."""
_FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16}


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


def is_over_limit(model: onnx.ModelProto) -> bool:
    """Whether a model has to have its weights beside it."""
    return byte_size(model) > LIMIT


def is_large(model: onnx.ModelProto) -> bool:
    """Whether a model is handed on without its weights: it need not be over the limit for that."""
    return byte_size(model) > LIMIT // 4


def save(model: onnx.ModelProto, path: str, limit: Optional[int] = None) -> None:
    """Write a model, which is not changed, to a temporary file; its weights go beside it from a limit on.

    Args:
        model: the model.
        path: the file.
        limit: bytes, None for those from which on a model is large.
    """
    if byte_size(model) > (LIMIT // 4 if limit is None else limit):
        save_with_data(model, path, f"{Path(path).name}.data")
    else:
        onnx.save(model, path)


def save_with_data(model: onnx.ModelProto, path: str, name: str) -> None:
    """Write a model and beside it, to a file of this name, its weights; nothing is copied in memory."""
    light = _but_weights(model)
    with open(os.path.join(os.path.dirname(path), name), "wb") as file:
        for tensor in model.graph.initializer:
            light.graph.initializer.append(_written(tensor, file, name))
    onnx.save(light, path)


def _written(tensor: onnx.TensorProto, file: BinaryIO, name: str) -> onnx.TensorProto:
    """Write a tensor to a file of this name; what stands for it in the model."""
    data = tensor.raw_data
    if len(data) <= _SMALL:
        return tensor
    file.seek(-file.tell() % _PAGE, os.SEEK_CUR)
    place = _elsewhere(tensor, name, offset=file.tell(), length=len(data))
    file.write(data)
    return place


def _elsewhere(
    tensor: onnx.TensorProto, location: str, offset: Optional[int] = None, length: Optional[int] = None
) -> onnx.TensorProto:
    """A tensor of the same name, type and shape whose values are in a file."""
    place = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims, raw_data=b"")
    onnx.external_data_helper.set_external_data(place, location, offset, length)
    place.ClearField("raw_data")  # onnx takes the place of no tensor that has none
    return place


def _but_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a model that has no initializers."""
    result = onnx.ModelProto()
    _copy_fields(model, result, "graph")
    result.graph.SetInParent()
    _copy_fields(model.graph, result.graph, "initializer")
    return result


def _copy_fields(source: Any, target: Any, but: str) -> None:
    """Copy all fields of a message that are set but one."""
    for field, value in source.ListFields():
        if field.name == but:
            continue
        if isinstance(value, (int, float, str, bytes)):
            setattr(target, field.name, value)
        else:
            getattr(target, field.name).MergeFrom(value)


@contextlib.contextmanager
def on_disk(model: onnx.ModelProto, limit: Optional[int] = None) -> Iterator[str]:
    """The path of a model's file for as long as it is needed; weights are where ``save`` puts them."""
    with tempfile.TemporaryDirectory(prefix="mmonnx-") as folder:
        path = os.path.join(folder, "model.onnx")
        save(model, path, limit)
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
    light, weights = _but_weights(model), {}
    for tensor in model.graph.initializer:
        heavy = len(tensor.raw_data) > _SMALL
        light.graph.initializer.append(_elsewhere(tensor, "set aside") if heavy else tensor)
        if heavy:
            weights[tensor.name] = tensor
    result = function(light)
    for tensor in result.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(weights[tensor.name])
    return result


def is_read_out(table: int, places: int, read: int) -> bool:
    """Whether so much is read of a table at fixed places that it is not to be written out: of three counts of elements.

    Places are integers of 64 bits, twice the size of a float.
    """
    return read >= _READ and read > 2 * (table + 2 * places)


def weights_as_inputs(model: onnx.ModelProto) -> Tuple[onnx.ModelProto, Dict[str, onnx.TensorProto]]:
    """For a tool that makes copies, and folds: a model some of whose weights are inputs, and these by name.

    They are the great weights of a large model, and tables of which a Gather makes far more (``is_read_out``). Where
    there is neither, the model itself and none.
    """
    aside = _tables(model)
    if is_large(model):
        aside |= {
            one.name for one in model.graph.initializer if len(one.raw_data) >= _WEIGHT and one.data_type in _FLOATS
        }
    if not aside:
        return model, {}
    light, weights = _but_weights(model), {}
    for tensor in model.graph.initializer:
        if tensor.name in aside:
            light.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
            weights[tensor.name] = tensor
        else:
            light.graph.initializer.append(tensor)
    return light, weights


def _tables(model: onnx.ModelProto) -> Set[str]:
    """The initializers that are read at fixed places and not to be written out so."""
    sizes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    same = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Identity"}
    found = set()
    for node in model.graph.node:
        if node.op_type != "Gather":
            continue
        table, places = (same.get(name, name) for name in node.input)
        if not (sizes.get(table) and places in sizes):
            continue
        axis = next((item.i for item in node.attribute if item.name == "axis"), 0)
        whole, count = math.prod(sizes[table]), math.prod(sizes[places])
        if is_read_out(whole, count, whole // max(sizes[table][axis], 1) * count):
            found.add(table)
    return found


def inputs_as_weights(light: onnx.ModelProto, weights: Mapping[str, onnx.TensorProto]) -> None:
    """Put the weights back, in place, for the inputs of their names; those that the model still has."""
    for number, value in reversed(list(enumerate(light.graph.input))):
        if value.name in weights:
            light.graph.initializer.append(weights[value.name])
            del light.graph.input[number]
