"""What one export is asked for, what it does at each stage, and what it says of itself.

In: ``ExportSettings``, a ``Task``. Out: models from stage to stage, metadata, the closing table, the next command.
Touched: the terminal; ``mmonnx.pipeline`` alone writes the file.
"""

from . import describe, stages
from .embedding import embedded
from .following import close
from .settings import Checked, Exported, ExportSettings, checked
from .stages import Final
from .summary import summary

__all__ = [
    "Checked",
    "ExportSettings",
    "Exported",
    "Final",
    "checked",
    "close",
    "describe",
    "embedded",
    "stages",
    "summary",
]
