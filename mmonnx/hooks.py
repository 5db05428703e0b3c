"""``mmonnx.hooks.ONNXExportHook``, for whoever imports the hook by name; importing this imports mmcv."""

from .integration import ONNXExportHook

__all__ = ["ONNXExportHook"]
