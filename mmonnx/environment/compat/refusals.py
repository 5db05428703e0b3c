"""Packages that refuse a release of mmcv when they are imported, and work with it all the same."""

import sys
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from typing import Any, Iterator

from .absent import AbsentFinder
from .versions import installed_version, version_tuple

_NEWEST = {"mmaction": "1.7.0", "mmpose": "1.7.0"}
"""The newest mmcv that a package takes, of those that came before the last release of mmcv 1.x."""


@contextmanager
def newest_mmcv_taken() -> Iterator[None]:
    """Let packages be imported inside the block that refuse the last releases of mmcv 1.x for their number alone.

    Such a package is shown the newest release that it takes, while its own ``__init__`` runs and no longer. One that
    takes the installed release, or that would refuse mmcv 2, is imported as it is. What a package names and does not
    need may be missing, see ``absent``.
    """
    finders = [_Finder(), AbsentFinder()]
    sys.meta_path[:0] = finders
    try:
        yield
    finally:
        for finder in finders:
            sys.meta_path.remove(finder)


class _Finder(MetaPathFinder):
    """Has the packages of the table loaded as :func:`_show` says."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        shown = _NEWEST.get(name)
        if shown is None or not version_tuple(shown) < version_tuple(installed_version("mmcv") or "0") < (2,):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            _show(spec.loader, shown)
        return spec


def _show(loader: Any, version: str) -> None:
    """Let a loader, which nobody else has, run its module with another number of mmcv's."""
    execute = loader.exec_module

    def exec_module(module: Any) -> None:
        import mmcv

        own, mmcv.__version__ = mmcv.__version__, version
        try:
            execute(module)
        finally:
            mmcv.__version__ = own

    loader.exec_module = exec_module
