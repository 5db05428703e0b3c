"""The side effects of importing mmonnx: each function makes one and returns what undoes it."""

import importlib
from typing import Any, Callable


def wrap_export() -> Callable[[], None]:
    """Let ``torch.onnx.export`` of an OpenMMLab model go through mmonnx."""
    from . import exporting

    # torch itself may still be on its way, and without this name: torch 1.13 imports the module itself
    module: Any = importlib.import_module("torch.onnx")
    original = module.export
    module.export = wrapped = exporting.wrap(original)

    def undo() -> None:
        exporting.undo_fixes()
        if module.export is wrapped:
            module.export = original
        else:  # somebody has wrapped it again, and holds it
            wrapped.enabled = False

    return undo


def register_hook() -> Callable[[], None]:
    """Make ``dict(type="ONNXExportHook")`` a hook."""
    from mmcv.runner import HOOKS

    from ..hooks import ONNXExportHook

    return _register(HOOKS, ONNXExportHook)


def register_extractor() -> Callable[[], None]:
    """Make ``dict(type="NonZeroRoIExtractor")`` a RoI extractor."""
    from ...environment import compat
    from ..extractors import NonZeroRoIExtractor

    return _register(compat.models_of("mmdet", "ROI_EXTRACTORS"), NonZeroRoIExtractor)


def _register(registry: Any, item: type) -> Callable[[], None]:
    registry.register_module(module=item, force=True)

    def undo() -> None:
        registry.module_dict.pop(item.__name__, None)

    return undo
