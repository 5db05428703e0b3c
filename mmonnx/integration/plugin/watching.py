"""Doing something as soon as a module of another package has been imported, without importing it."""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Callable, Dict, Optional

_waiting: Dict[str, Callable[[], Any]] = {}


def when_imported(name: str, act: Callable[[], Any]) -> None:
    """Call ``act`` now if the module is imported already, else right after it has been."""
    if name in sys.modules:
        act()
        return
    _waiting[name] = act
    if _WATCHER not in sys.meta_path:
        sys.meta_path.insert(0, _WATCHER)


def unwatch() -> None:
    """Wait for nothing any more."""
    _waiting.clear()
    if _WATCHER in sys.meta_path:
        sys.meta_path.remove(_WATCHER)


class _Watcher(MetaPathFinder):
    """Finds nothing itself: it lets the other finders find a module, and has it followed by what waits for it."""

    def find_spec(self, name: str, path: Any = None, target: Optional[ModuleType] = None) -> Optional[ModuleSpec]:
        if name not in _waiting:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                _follow(spec)
                return spec
        return None


_WATCHER = _Watcher()


def _follow(spec: ModuleSpec) -> None:
    """Let the module's own loader, which nobody else has, call what waits for the module."""
    loader: Any = spec.loader
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        if module.__name__ != spec.name:
            return
        vars(loader).pop("exec_module", None)
        act = _waiting.pop(spec.name, None)
        if not _waiting:
            unwatch()
        if act is not None:
            act()

    loader.exec_module = exec_module
