"""``mmonnx.hooks.ONNXExportHook``, for whoever imports the hook by name; importing this imports mmcv or mmengine."""

from .integration import ONNXExportHook

__all__ = ["ONNXExportHook"]
