"""What ``custom_imports = dict(imports=["mmonnx"])`` in a config does, and how it is undone.

Every side effect of importing mmonnx is an entry of ``_EFFECTS``: the module of another package that it changes, and the
function that changes it and returns what undoes that. An effect takes place once its module has been imported, and
imports nothing itself; what an effect does at export time is imported then.
"""

from typing import Callable, Dict, List

from . import effects
from .watching import unwatch, when_imported

__all__ = ["disable", "enable"]

_EFFECTS: Dict[str, Callable[[], Callable[[], None]]] = {
    "torch.onnx": effects.wrap_export,
    "mmcv.runner": effects.register_hook,
    "mmdet.models": effects.register_extractor,
}
_enabled = False
_undo: List[Callable[[], None]] = []


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
        when_imported(module, lambda effect=effect: _undo.append(effect()))


def disable() -> None:
    """Undo everything that ``enable`` did; calling it again does nothing."""
    global _enabled
    unwatch()
    while _undo:
        _undo.pop()()
    _enabled = False
