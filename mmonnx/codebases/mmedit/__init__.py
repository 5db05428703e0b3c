"""MMEditing 0.x: how its restorers, inpaintors, mattors and synthesizers are built, run, read and evaluated.

In: an ``mmcv.Config`` or a model. Out: a ``Task``, an ``Evaluator``. Touched: nothing but the model that it builds.
"""

from .codebase import MMEditing

__all__ = ["CODEBASE"]

CODEBASE = MMEditing()
