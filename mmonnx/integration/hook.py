"""``ONNXExportHook`` of the generation that is installed; importing this imports mmengine, or mmcv 1.x."""

from ..environment import compat

if compat.is_second_generation():
    from .mmengine_hooks import ONNXExportHook
else:
    from .hooks import ONNXExportHook

__all__ = ["ONNXExportHook"]
