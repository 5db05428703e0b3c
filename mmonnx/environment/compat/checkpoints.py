"""Reading a checkpoint's file without running code from it.

Torch's own reader of weights alone takes tensors and plain containers. What mmengine saves beside them, the history of
its log above all, holds arrays and classes that it refuses: those are known here by name, and nothing of them is made,
as no weights need them. Everything else is refused.
"""

import collections
import inspect
import io
import pickle
import tarfile
import zipfile
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, Callable, ClassVar, Dict

import torch

from .versions import TORCH


class Unread:
    """What is in the place of something that a checkpoint has and no weights need: it has no content.

    Args:
        content: is dropped.
    """

    def __init__(self, *content: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """Drop an element."""

    def extend(self, values: Any) -> None:
        """Drop elements."""


def _unread(*content: Any) -> Unread:
    """What is in the place of a function that makes such a thing."""
    return Unread()


def _bytes(text: str, encoding: str = "latin1") -> bytes:
    """What pickles of protocol 2 write bytes with."""
    return text.encode("latin1")


_OF_TENSORS = {
    "collections.OrderedDict",
    "torch.Size",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
}
_PLAIN: Dict[str, Callable[..., Any]] = {
    "_codecs.encode": _bytes,
    "__builtin__.set": set,
    "builtins.set": set,
    "collections.Counter": collections.Counter,  # of a schedule, its milestones
}
_UNREAD: Dict[str, Callable[..., Any]] = {
    "__builtin__.getattr": _unread,  # of a class, its methods
    "builtins.getattr": _unread,
    "mmengine.config.config.ConfigDict": Unread,
    "mmengine.logging.history_buffer.HistoryBuffer": Unread,
    "numpy.core.multiarray._reconstruct": _unread,
    "numpy.core.multiarray.scalar": _unread,
    "numpy._core.multiarray._reconstruct": _unread,
    "numpy._core.multiarray.scalar": _unread,
    "numpy.dtype": Unread,
    "numpy.ndarray": Unread,
}
HARMLESS = frozenset((*_OF_TENSORS, *_PLAIN, *_UNREAD))
"""The functions and classes, by their full names, that a checkpoint may ask for beside torch's types."""


def reads_weights_alone() -> bool:
    """Whether ``torch.load`` can be told to run no code (1.13 and later)."""
    return "weights_only" in inspect.signature(torch.load).parameters


def _is_type(name: str) -> bool:
    """Whether torch has a type of storages or of numbers by this name; one with dots would be what is inside of it."""
    return name.isidentifier() and (name.endswith("Storage") or isinstance(getattr(torch, name, None), torch.dtype))


class _WeightsAlone:
    """What stands in for ``pickle``: it makes tensors and plain containers, and nothing else."""

    UnpicklingError = pickle.UnpicklingError

    class Unpickler(pickle._Unpickler):  # the one in Python, of which a single instruction can be replaced
        """Knows by name what a tensor is made with, and what is harmless."""

        dispatch: ClassVar[Dict[int, Any]] = dict(pickle._Unpickler.dispatch)

        def find_class(self, module: str, name: str) -> Any:
            full = f"{module}.{name}"
            if full in _PLAIN or full in _UNREAD:
                return _PLAIN.get(full) or _UNREAD[full]
            if full not in _OF_TENSORS and not (module == "torch" and _is_type(name)):
                raise pickle.UnpicklingError(f"Unsupported global: {full}")
            return super().find_class(module, name)

        def load_build(self) -> None:
            """Give an object its attributes: as pickle does it, it may be a class or a function that gets them."""
            stack = vars(self)["stack"]  # of the objects that are being made
            state, target = stack.pop(), stack[-1]
            if isinstance(target, Unread):
                return
            if type(target) not in (collections.OrderedDict, torch.Tensor, torch.nn.Parameter):
                raise pickle.UnpicklingError(f"Unsupported state of a {type(target).__name__}")
            vars(target).update(state)

        dispatch[pickle.BUILD[0]] = load_build

    @staticmethod
    def load(file: Any, **kwargs: Any) -> Any:
        """As ``pickle.load``."""
        return _WeightsAlone.Unpickler(file, **kwargs).load()


def load_checkpoint_file(path: str, trust: bool = False) -> Any:
    """Read a checkpoint without running code from it.

    Args:
        path: the file.
        trust: read it with the ordinary unpickler, which runs what the file tells it to.

    Returns:
        What is in it; ``Unread`` is in the place of what is harmless, and no weights.

    Raises:
        pickle.UnpicklingError: the file needs more than that, and ``trust`` is false.
        Exception: what torch raises on a file that is no checkpoint.
    """
    kwargs: Dict[str, Any] = {"weights_only": False} if TORCH >= (2, 6) else {}
    if trust:
        return torch.load(path, map_location="cpu", **kwargs)
    if _is_program(path):
        raise pickle.UnpicklingError("torch hands it to a reader of programs")
    if reads_weights_alone():
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            pass
        except RuntimeError as error:  # torch 1.13 wraps the unpickler's error
            if "weights_only" not in str(error) and "Unsupported" not in str(error):
                raise
    if _takes_a_reader():
        return torch.load(path, map_location="cpu", pickle_module=_WeightsAlone, **kwargs)
    return _read_by_parts(path)


def _is_program(path: str) -> bool:
    """Whether it is a TorchScript archive, or a tar file of torch before 0.1.10."""
    if not zipfile.is_zipfile(path):
        return tarfile.is_tarfile(path)
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("constants.pkl") for name in archive.namelist())


@lru_cache(maxsize=None)
def _takes_a_reader() -> bool:
    """Whether ``torch.load`` reads with the ``pickle_module`` that it is given; in 1.13 it reads with ``pickle``."""

    class Taken(Exception):
        pass

    class Reader(_WeightsAlone.Unpickler):
        def load(self) -> Any:
            raise Taken

    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    kwargs: Dict[str, Any] = {"weights_only": False} if TORCH >= (2, 6) else {}
    try:
        torch.load(empty, pickle_module=SimpleNamespace(__name__="probe", Unpickler=Reader), **kwargs)
    except Taken:
        return True
    return False


def _read_by_parts(path: str) -> Any:
    """As ``torch.load`` with ``_WeightsAlone``, by the functions that it calls."""
    parts: Any = torch.serialization
    if zipfile.is_zipfile(path):
        with parts._open_zipfile_reader(path) as archive:
            return parts._load(archive, "cpu", _WeightsAlone, encoding="utf-8")
    with open(path, "rb") as file:
        return parts._legacy_load(file, "cpu", _WeightsAlone, encoding="utf-8")
