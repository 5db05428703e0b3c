"""MMDetection 2.x and 3.x: how its detectors are built, run, read and evaluated.

In: an ``mmcv.Config`` or a detector. Out: a ``Task``, an ``Evaluator``. Touched: nothing but the model that it builds.
"""

from .by_class import to_detections
from .codebase import MMDetection

__all__ = ["CODEBASE", "to_detections"]

CODEBASE = MMDetection()
