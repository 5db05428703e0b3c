"""Writing a model to its file, with the weights beside it where protobuf cannot hold them."""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Optional, Set, Union

import onnx

from ..runtime import large
from ..support import alone_in, check_writable, ending_signals_exit, replacing


def write_model(model: onnx.ModelProto, path: Union[str, "os.PathLike[str]"], limit: Optional[int] = None) -> None:
    """Write a model: it is there whole, or what was there before is.

    A model over the limit gets its weights in a second file, whose name ends in a digest of them: the first file, which
    is put in place last and in one step, never refers to weights of another model. Killed outright between the two, the
    process leaves a second file that nobody refers to.

    Args:
        model: the model.
        path: the file; the weights go beside it, to ``NAME.DIGEST.data``, and those of the model that was there go.
        limit: bytes from which on the weights are written beside it, None for what protobuf can serialize.

    Raises:
        InputError: the folder cannot be made or written to.
        OSError: a file cannot be written (a full disk).
    """
    target = Path(path).resolve()
    beside = large.byte_size(model) > (large.LIMIT if limit is None else limit)
    if not beside and not _data_files(target):
        with replacing(target) as temporary:
            onnx.save(model, str(temporary))
        return
    check_writable(target)
    # Each of two that write there at once would remove what it takes for the other's former weights.
    with ending_signals_exit(), alone_in(_existing(target.parent)):
        former = _data_files(target)
        names = _write_with_data(model, target) if beside else _write_alone(model, target)
        _remove(target.parent, former - names)


def _write_alone(model: onnx.ModelProto, target: Path) -> Set[str]:
    with replacing(target) as temporary:
        onnx.save(model, str(temporary))
    return set()


def _write_with_data(model: onnx.ModelProto, target: Path) -> Set[str]:
    """Write the model and its weights; the name of the weights' file."""
    name = f"{target.stem}.{_digest(model)}.data"
    there = (target.parent / name).exists()
    try:
        with replacing(target) as temporary:
            large.save_with_data(model, str(temporary), name)
            with replacing(target.parent / name) as data:
                os.replace(str(temporary.parent / name), str(data))
    except BaseException:
        if not there:
            _remove(target.parent, {name})
        raise
    return {name}


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    while not folder.exists():
        folder = folder.parent
    return folder


def _digest(model: onnx.ModelProto) -> str:
    digest = hashlib.sha256()
    for tensor in model.graph.initializer:
        digest.update(tensor.SerializeToString())
    return digest.hexdigest()[:16]


def _data_files(target: Path) -> Set[str]:
    """The names of the weights' files that the model at a path has, by the rule of ``write_model``."""
    if not target.is_file():
        return set()
    try:
        model = onnx.load(str(target), load_external_data=False)
    except Exception:  # whatever lies there is no model
        return set()
    names = {
        entry.value for tensor in model.graph.initializer for entry in tensor.external_data if entry.key == "location"
    }
    # nothing else that a model may name is ours to remove
    return {name for name in names if name.startswith(f"{target.stem}.") and name.endswith(".data") and "/" not in name}


def _remove(folder: Path, names: Set[str]) -> None:
    for name in names:
        with contextlib.suppress(OSError):
            (folder / name).unlink()
