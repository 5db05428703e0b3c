"""mmonnx turns OpenMMLab 1.x models into ONNX files that give PyTorch's own answers.

Importing it, by ``custom_imports`` in a config or by hand, enables its plugin: see ``mmonnx.plugin``.
"""

import sys
from typing import Any

from .errors import ExportError, InputError, MmonnxError, VerificationError
from .plugin import disable, enable
from .version import __version__

__all__ = [
    "ExportError",
    "ExportSettings",
    "InputError",
    "MmonnxError",
    "VerificationError",
    "__version__",
    "base_config",
    "disable",
    "enable",
    "export",
]

_LAZY = {"ExportSettings": "pipeline", "export": "api", "base_config": "codebases.config"}


def __getattr__(name: str) -> Any:
    # onnx and the runtime are imported when an export starts, not when a training config imports the plugin
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    # parts that were imported before this was imported again, see fallback.serve
    if f"{__name__}.{name}" in sys.modules:
        return sys.modules[f"{__name__}.{name}"]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


enable()
