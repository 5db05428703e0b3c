"""Imports that take most of a second for what an export never asks for, put off until somebody does."""

import importlib
import importlib.util
import sys
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Callable, Iterator

_DYNAMO = "torch._dynamo.utils"
_ASKED = "is_compile_supported"
"""The function of it that torchvision imports, from 0.17 on, for the backward pass of its RoIAlign alone."""


@contextmanager
def dynamo_later() -> Iterator[None]:
    """Let torchvision be imported in the block without torch's compiler, which comes when it is asked for."""
    if _DYNAMO in sys.modules:
        yield
        return
    standing_in = sys.modules[_DYNAMO] = _Dynamo(_DYNAMO)
    try:
        yield
    finally:
        if sys.modules.get(_DYNAMO) is standing_in:
            del sys.modules[_DYNAMO]


def import_when_used(name: str) -> None:
    """Import a module when something of it is asked for; nothing changes where it is imported, or is not installed."""
    try:
        spec = None if name in sys.modules else importlib.util.find_spec(name)
    except ImportError:  # of the package that it is in
        return
    if spec is None:
        return
    module = sys.modules[name] = _Later(name)
    module.__spec__ = spec
    package, _, child = name.rpartition(".")
    if package:
        setattr(sys.modules[package], child, module)


class _Later(ModuleType):
    """In the place of a module that comes when something of it is asked for.

    Not ``importlib.util.LazyLoader``: its module comes as soon as somebody imports it.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # of the import system
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(_itself(self.__name__), name)


class _Dynamo(_Later):
    def __getattr__(self, name: str) -> Any:
        return _called_later if name == _ASKED else super().__getattr__(name)


def _called_later(*args: Any, **kwargs: Any) -> Any:
    function: Callable[..., Any] = getattr(_itself(_DYNAMO), _ASKED)
    return function(*args, **kwargs)


def _itself(name: str) -> ModuleType:
    if isinstance(sys.modules.get(name), _Later):
        del sys.modules[name]
    return importlib.import_module(name)
