"""Packages that upstream's modules name when they are imported, and that neither inference nor evaluation needs.

They are for trainings, other data sets or single models, and some of them are compiled. A module that names one that is
not installed gets a stand-in for it, which says so when it is used, or does the same.
"""

import importlib.util
import sys
import types
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from typing import Any, Callable, Iterator

from ...flooding import merge_quadrangles
from ...support import InputError, command_line

_NAMED = {
    "mmocr.utils.lmdb_util": ("lmdb",),
    "mmocr.datasets.pipelines.loading": ("lmdb",),
    "mmocr.datasets.pipelines.dbnet_transforms": ("imgaug", "imgaug.augmenters"),
    "mmocr.datasets.pipelines.textdet_targets.drrg_targets": ("lanms",),
    "mmocr.models.textdet.modules.proposal_local_graph": ("lanms",),
}
"""What modules name."""
_GIVEN = {"lanms": {"merge_quadrangle_n9": merge_quadrangles}}
"""What is done here without them."""
_DISTRIBUTIONS = {"lanms": "lanms-neo==1.0.2"}
"""What installs them, where that is called otherwise."""


class Absent(types.ModuleType):
    """Stands for a package that is not installed: what is taken of it may be named, and of ``_GIVEN`` called."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        package = self.__name__.partition(".")[0]
        if name in _GIVEN.get(package, {}):
            return _GIVEN[package][name]

        def missing(*args: Any, **kwargs: Any) -> None:
            raise InputError(
                f"{package} is not installed",
                f"{self.__name__}.{name}",
                command_line("pip", "install", _DISTRIBUTIONS.get(package, package)),
            )

        return missing


class AbsentFinder(MetaPathFinder):
    """Has the modules of the table run with stand-ins for what is not installed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """The spec of a module that names such packages; None of others."""
        absent = [one for one in _NAMED.get(name, ()) if importlib.util.find_spec(one.partition(".")[0]) is None]
        spec = PathFinder.find_spec(name, path, target) if absent else None
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            execute = loader.exec_module

            def exec_module(module: Any) -> None:
                with _standing_in(absent):
                    execute(module)

            loader.exec_module = exec_module  # nobody else has this loader
        return spec


@contextmanager
def _standing_in(names: Any) -> Iterator[None]:
    """Let packages be imported inside the block that are not installed."""
    for name in names:
        sys.modules[name] = Absent(name)
        owner, _, last = name.rpartition(".")
        if owner:
            setattr(sys.modules[owner], last, sys.modules[name])
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
