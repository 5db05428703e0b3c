"""What mmonnx knows of toolboxes, a folder each; ``loading.Codebase`` is the interface that each fills.

In: settings, or a model. Out: a ``Task``. Touched: what each folder says. Nothing imports these by name but
``loading.codebases``; ``mmonnx.export`` of a module takes ``module_task``.
"""

from .mmdet import to_detections
from .plain import AxesAsked, module_task

__all__ = ["AxesAsked", "module_task", "to_detections"]
