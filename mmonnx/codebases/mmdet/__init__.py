"""MMDetection 2.x and 3.x: how its detectors are built, run, read and evaluated.

In: an ``mmcv.Config`` or a detector. Out: a ``Task``, an ``Evaluator``. Touched: nothing but the model that it builds.
"""

from typing import TYPE_CHECKING, Any, Tuple

from ...support import lazy
from .codebase import MMDetection
from .generations import First, Generation, Meta
from .rules import RULES

if TYPE_CHECKING:
    from .evaluation import DetectorEvaluator

__all__ = ["CODEBASE", "DetectorEvaluator", "First", "Generation", "Meta", "MMDetection", "RULES", "to_detections"]

CODEBASE = MMDetection()

__getattr__ = lazy(__name__, {"DetectorEvaluator": "evaluation"})


def to_detections(result: Any, size: Tuple[int, int]) -> Any:
    """What ``inference_detector`` of the installed mmdet gives for an image of (height, width), sorted by score."""
    return CODEBASE.generation.read(result, size)
