"""MMAction2 0.x: how its recognizers and localizers are built, run, read and evaluated.

In: an ``mmcv.Config`` or a model. Out: a ``Task``, an ``Evaluator``. Touched: nothing but the model that it builds.
"""

from .codebase import MMAction2

__all__ = ["CODEBASE"]

CODEBASE = MMAction2()
