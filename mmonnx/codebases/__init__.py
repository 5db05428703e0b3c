"""What mmonnx knows of toolboxes, a folder each; ``loading.Codebase`` is the interface that each fills.

In: settings, or a model. Out: a ``Task``. Touched: what each folder says. Nothing imports these by name but
``loading.codebases``; ``mmonnx.export`` of a module takes ``module_task``.
"""

from typing import TYPE_CHECKING

from ..support import lazy
from .mmdet import to_detections
from .mmrotate import to_rotated_detections
from .plain import AxesAsked, module_task

if TYPE_CHECKING:
    from .mmrotate import average_precision as rotated_average_precision

__all__ = ["AxesAsked", "module_task", "rotated_average_precision", "to_detections", "to_rotated_detections"]

__getattr__ = lazy(__name__, {"rotated_average_precision": "mmrotate:average_precision"})
