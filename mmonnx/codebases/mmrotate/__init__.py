"""MMRotate 0.x: how its detectors of rotated boxes are built, run, read and evaluated.

In: an ``mmcv.Config`` or a detector. Out: a ``Task``, an ``Evaluator``. Touched: nothing but the model that it builds.
"""

from .codebase import MMRotate

__all__ = ["CODEBASE"]

CODEBASE = MMRotate()
