"""MMRotate 0.x: how its detectors of rotated boxes are built, run, read and evaluated.

In: an ``mmcv.Config`` or a detector. Out: a ``Task``, an ``Evaluator``. Touched: nothing but the model that it builds.
"""

from typing import TYPE_CHECKING, Any

from ...support import lazy
from .codebase import MMRotate

if TYPE_CHECKING:
    from .evaluation import average_precision

__all__ = ["CODEBASE", "average_precision", "to_rotated_detections"]

CODEBASE = MMRotate()

__getattr__ = lazy(__name__, {"average_precision": "evaluation"})


def to_rotated_detections(result: Any) -> Any:
    """What mmrotate's detectors give for an image, sorted by score."""
    return CODEBASE.generation.read(result, (0, 0))
