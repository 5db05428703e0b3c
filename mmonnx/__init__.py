"""mmonnx turns OpenMMLab 1.x models into ONNX files that give PyTorch's own answers."""

from typing import Any

from .errors import ExportError, InputError, MmonnxError
from .version import __version__

__all__ = ["ExportError", "ExportSettings", "InputError", "MmonnxError", "__version__", "export"]

_LAZY = ("ExportSettings", "export")


def __getattr__(name: str) -> Any:
    # onnx and the runtime are imported when an export starts, not when a training config imports the plugin
    if name in _LAZY:
        from . import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
