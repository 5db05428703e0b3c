"""MMDetection 2.x and 3.x: how its detectors are built, run, read and evaluated.

In: an ``mmcv.Config`` or a detector. Out: a ``Task``, an ``Evaluator``. Touched: nothing but the model that it builds.
"""

from typing import Any, Tuple

from .codebase import MMDetection
from .generations import First, Generation
from .rules import RULES

__all__ = ["CODEBASE", "First", "Generation", "MMDetection", "RULES", "to_detections"]

CODEBASE = MMDetection()


def to_detections(result: Any, size: Tuple[int, int]) -> Any:
    """What ``inference_detector`` of the installed mmdet gives for an image of (height, width), sorted by score."""
    return CODEBASE.generation.read(result, size)
