"""What ``custom_imports = dict(imports=["mmonnx"])`` in a config does, and how it is undone.

Every side effect of importing mmonnx is an entry of ``_EFFECTS``: a module, and the function that makes the effect and
returns what undoes it. An effect takes place once its module has been imported, be that later or never; mmonnx's own
modules that need another package's are imported after that one. What an export needs is imported when one starts.
Releases outside the range that mmonnx supports are left as they are; a warning says so.
"""

import importlib
import warnings
from functools import partial
from typing import Callable, Dict, List

from ...support import alone
from . import effects, supported
from .watching import unwatch, when_imported

__all__ = ["disable", "enable"]

_EFFECTS: Dict[str, Callable[[], Callable[[], None]]] = {
    "torch.onnx": effects.wrap_export,
    "mmonnx.integration.hooks": effects.register_hook,
    "mmonnx.integration.mmengine_hooks": effects.register_mmengine_hook,
    "mmonnx.integration.extractors": effects.register_extractor,
}
_IMPORTED_AFTER = {
    "mmcv.runner": "mmonnx.integration.hooks",
    "mmengine.runner": "mmonnx.integration.mmengine_hooks",
    "mmdet.models": "mmonnx.integration.extractors",
}
_enabled = False
_undo: List[Callable[[], None]] = []


@alone()
def enable() -> None:
    """Let mmdet and mmcls name what mmonnx has, and let their own export tools use it; calling it again does nothing.

    It registers ``ONNXExportHook`` in mmcv's ``HOOKS`` and ``NonZeroRoIExtractor`` in mmdet's ``ROI_EXTRACTORS``, and
    makes ``torch.onnx.export`` of a detector or classifier of theirs go through mmonnx. Packages that are imported
    later are changed then. Importing mmonnx calls this.
    """
    global _enabled
    if _enabled:
        return
    _enabled = True
    for module, effect in _EFFECTS.items():
        when_imported(module, partial(_make, effect))
    for module, ours in _IMPORTED_AFTER.items():
        when_imported(module, partial(_follow, module.split(".")[0], ours))


def _follow(package: str, module: str) -> None:
    """Import a module of ours that needs another package's, unless that is a release that we do not know."""
    problem = supported.problem(package)
    if problem is None:
        importlib.import_module(module)
    else:
        warnings.warn(problem, stacklevel=2)


def _make(effect: Callable[[], Callable[[], None]]) -> None:
    _undo.append(effect())


@alone()
def disable() -> None:
    """Undo everything that ``enable`` did; calling it again does nothing."""
    global _enabled
    unwatch()
    while _undo:
        _undo.pop()()
    _enabled = False
