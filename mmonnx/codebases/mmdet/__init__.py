"""MMDetection 2.x: how its detectors are built, run, read and evaluated.

In: an ``mmcv.Config`` or a detector. Out: a ``Task``, an ``Evaluator``. Touched: nothing but the model that it builds.
"""

from .codebase import MMDetection
from .detections import to_detections

__all__ = ["CODEBASE", "to_detections"]

CODEBASE = MMDetection()
