"""What ``custom_imports = dict(imports=["mmonnx"])`` in a config does, and how it is undone.

Every side effect of importing mmonnx is an entry of ``_EFFECTS``: a module, and the function that makes the effect and
returns what undoes it. An effect takes place once its module has been imported, be that later or never; mmonnx's own
modules that need another package's are imported after that one. What an export needs is imported when one starts.
"""

import importlib
from functools import partial
from typing import Callable, Dict, List

from ...support import alone
from . import effects
from .watching import unwatch, when_imported

__all__ = ["disable", "enable"]

_EFFECTS: Dict[str, Callable[[], Callable[[], None]]] = {
    "torch.onnx": effects.wrap_export,
    "mmonnx.integration.hooks": effects.register_hook,
    "mmonnx.integration.extractors": effects.register_extractor,
}
_IMPORTED_AFTER = {"mmcv.runner": "mmonnx.integration.hooks", "mmdet.models": "mmonnx.integration.extractors"}
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
        when_imported(module, partial(importlib.import_module, ours))


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
