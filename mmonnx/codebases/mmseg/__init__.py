"""MMSegmentation 0.x: how its segmentors are built, run, read and evaluated.

In: an ``mmcv.Config`` or a segmentor. Out: a ``Task``, an ``Evaluator``. Touched: nothing but the model that it builds.
"""

from .codebase import MMSegmentation

__all__ = ["CODEBASE"]

CODEBASE = MMSegmentation()
