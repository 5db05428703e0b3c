"""mmonnx turns OpenMMLab 1.x models into ONNX files that give PyTorch's own answers.

Importing it, by ``custom_imports`` in a config or by hand, enables its plugin: see ``mmonnx.integration.plugin``.
"""

import sys
from typing import Any

from .integration import disable, enable
from .support import ExportError, InputError, MmonnxError, VerificationError, __version__, lazy

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

# onnx and the runtime are imported when an export starts, not when a training config imports the plugin
_get = lazy(__name__, {"ExportSettings": "exporting", "export": "api", "base_config": "loading"})


def __getattr__(name: str) -> Any:
    # parts that were imported before this was imported again, see fallback.serve
    if f"{__name__}.{name}" in sys.modules:
        return sys.modules[f"{__name__}.{name}"]
    return _get(name)


enable()
