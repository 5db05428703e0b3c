"""Reading a checkpoint's file without running code from it."""

import inspect
import pickle
from typing import Any, Dict

import torch

from .versions import TORCH


def reads_weights_alone() -> bool:
    """Whether ``torch.load`` can be told to run no code (1.13 and later)."""
    return "weights_only" in inspect.signature(torch.load).parameters


class _WeightsAlone:
    """What stands in for ``pickle`` in a torch before 1.13: it makes tensors and plain containers, and nothing else."""

    UnpicklingError = pickle.UnpicklingError

    class Unpickler(pickle.Unpickler):
        """Knows by name what a tensor is made with."""

        def find_class(self, module: str, name: str) -> Any:
            known = (module, name) in _OF_TENSORS or (module == "torch" and name.endswith("Storage"))
            if not known:
                raise pickle.UnpicklingError(f"Unsupported global: {module}.{name}")
            return super().find_class(module, name)

    @staticmethod
    def load(file: Any, **kwargs: Any) -> Any:
        """As ``pickle.load``."""
        return _WeightsAlone.Unpickler(file, **kwargs).load()


_OF_TENSORS = {
    ("collections", "OrderedDict"),
    ("torch", "Size"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_tensor_v2"),
}


def load_checkpoint_file(path: str, trust: bool = False) -> Any:
    """Read a checkpoint without running code from it.

    Args:
        path: the file.
        trust: read it with the ordinary unpickler, which runs what the file tells it to.

    Raises:
        pickle.UnpicklingError: the file needs more than tensors and plain containers, and ``trust`` is false.
        Exception: what torch raises on a file that is no checkpoint.
    """
    kwargs: Dict[str, Any] = {"weights_only": False} if TORCH >= (2, 6) else {}
    if trust:
        return torch.load(path, map_location="cpu", **kwargs)
    if not reads_weights_alone():
        return torch.load(path, map_location="cpu", pickle_module=_WeightsAlone, **kwargs)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except RuntimeError as error:
        if "weights_only" in str(error) or "Unsupported" in str(error):  # torch 1.13 wraps the unpickler's error
            raise pickle.UnpicklingError(str(error)) from error
        raise
