"""Loading weights, and refusing what is not theirs."""

import pickle
import zipfile
from pathlib import Path
from typing import Any, Dict, List, Mapping

import torch
from torch import nn

from .. import compat
from ..errors import InputError, first_line


def load_weights(model: nn.Module, path: str, trust: bool = False) -> Dict[str, Any]:
    """Load a checkpoint file into a model.

    Args:
        model: the built model.
        path: the checkpoint; nothing is ever downloaded.
        trust: see ``compat.load_checkpoint_file``.

    Returns:
        ``meta``: the checkpoint's meta data (may be empty), ``missing``: keys of the model that it does not have.

    Raises:
        InputError: the file is missing, broken, no checkpoint, or belongs to another model.
    """
    content = _read(path, trust)
    state = content.get("state_dict", content.get("model", content)) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not any(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(f"checkpoint {path!r} holds no weights", "a state_dict", "give a model's checkpoint")
    state = {_strip(key): value for key, value in state.items() if isinstance(value, torch.Tensor)}
    own = model.state_dict()
    common = set(own) & set(state)
    if not common:
        raise InputError(
            f"checkpoint {path!r} has no key of this model (it has {next(iter(state))!r}, ...)",
            f"keys such as {next(iter(own))!r}",
            "give the checkpoint that belongs to the config",
        )
    wrong: List[str] = [key for key in sorted(common) if own[key].shape != state[key].shape]
    if wrong:
        key = wrong[0]
        raise InputError(
            f"checkpoint {path!r} has another shape for {len(wrong)} keys ({key!r}: {tuple(state[key].shape)})",
            f"{tuple(own[key].shape)}",
            "give the checkpoint that belongs to the config",
        )
    model.load_state_dict(state, strict=False)
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    meta = content.get("meta")
    return {"meta": meta if isinstance(meta, Mapping) else {}, "missing": missing}


def _read(path: str, trust: bool) -> Any:
    if not Path(path).is_file():
        raise InputError(f"checkpoint {path!r} does not exist", "a file on this machine", "check the path")
    try:
        return compat.load_checkpoint_file(path, trust)
    except pickle.UnpicklingError as error:
        if _is_torch_file(path):
            reason = (str(error).splitlines() or [""])[0]
            raise InputError(
                f"checkpoint {path!r} holds more than weights, and reading it could run code ({reason[:120]})",
                "tensors and plain values",
                "pass --trust-checkpoint if you trust whoever made it",
            ) from error
        raise _broken(path, error) from error
    except Exception as error:  # zip, pickle, io and unicode errors: all mean the same to the user
        raise _broken(path, error) from error


def _broken(path: str, error: Exception) -> InputError:
    return InputError(
        f"checkpoint {path!r} is truncated or no checkpoint ({first_line(error)[:100]})",
        "a file that torch.save wrote",
        "copy or download it again",
    )


def _is_torch_file(path: str) -> bool:
    """Whether it is a whole archive of torch.save, or at least starts as its old format does."""
    if zipfile.is_zipfile(path):
        return True
    with open(path, "rb") as file:
        return file.read(2) in (b"\x80\x02", b"\x80\x03", b"\x80\x04")


def _strip(key: str) -> str:
    return key[len("module.") :] if key.startswith("module.") else key
