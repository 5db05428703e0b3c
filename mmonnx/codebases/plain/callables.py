"""Models that a name such as ``torchvision.models:mobilenet_v2`` makes."""

import importlib
import inspect
import os
import re
import warnings
from typing import Any, Callable, Dict

from torch import nn

from ...loading import found_in
from ...support import ExportError, InputError, type_and_line

_NAME = re.compile(r"[A-Za-z_]\w*(\.\w+)*:[A-Za-z_]\w*(\.\w+)*")
_DOWNLOADS = {"weights": None, "weights_backbone": None, "pretrained": False, "pretrained_backbone": False}
"""Arguments of model functions that would download weights, and the values with which they do not."""


def is_callable_name(name: str) -> bool:
    """Whether a name is of the form ``package.module:callable``."""
    return _NAME.fullmatch(name) is not None and not os.path.exists(name)


def build_callable(name: str, kwargs: Dict[str, Any]) -> nn.Module:
    """Import what a name means and call it.

    Args:
        name: ``package.module:callable``; modules in the current folder are found too.
        kwargs: its arguments. Weights are left out unless they are asked for here: nothing is downloaded.

    Raises:
        InputError: there is no such module or callable, or it takes no such arguments.
        ExportError: the call fails, or gives no ``torch.nn.Module``.
    """
    found = _find(name)
    if isinstance(found, nn.Module) and not kwargs:
        return found
    if not callable(found) or isinstance(found, nn.Module):
        raise InputError(f"{name!r} is a {type(found).__name__}", "a function or class that makes a model", "fix it")
    given = {**_without_downloads(found), **kwargs}
    _check_arguments(name, found, given)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = found(**given)
    except Exception as error:  # the callable raises whatever its own code raises
        raise ExportError(
            f"{name} cannot be called ({type_and_line(error)[:300]})",
            "a call that gives a model",
            "fix --model-kwargs",
        ) from error
    if not isinstance(model, nn.Module):
        raise InputError(f"{name!r} gives a {type(model).__name__}", "a torch.nn.Module", "name what makes a model")
    return model


def _find(name: str) -> Any:
    path, _, attribute = name.partition(":")
    with found_in(os.getcwd()):
        try:
            found = importlib.import_module(path)
        except ModuleNotFoundError as error:
            raise InputError(
                f"model {name!r}: there is no module {error.name!r}", "an installed module, or one here", "check it"
            ) from error
        except Exception as error:  # importing runs the module
            raise InputError(
                f"model {name!r}: {path} cannot be imported ({type_and_line(error)})", "a module", "fix it"
            ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise InputError(f"model {name!r}: {path} has no {part!r}", "a name in that module", "check it")
        found = getattr(found, part)
    return found


def _signature(function: Callable[..., Any]) -> Any:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # built in
        return None


def _without_downloads(function: Callable[..., Any]) -> Dict[str, Any]:
    signature = _signature(function)
    known = signature.parameters if signature else {}
    return {key: value for key, value in _DOWNLOADS.items() if key in known and known[key].default is not value}


def _check_arguments(name: str, function: Callable[..., Any], given: Dict[str, Any]) -> None:
    signature = _signature(function)
    try:
        if signature:
            signature.bind(**given)
    except TypeError as error:
        raise InputError(
            f"model {name!r}: {error}", f"the arguments {signature}"[:200], "give them by --model-kwargs KEY=VALUE"
        ) from error
