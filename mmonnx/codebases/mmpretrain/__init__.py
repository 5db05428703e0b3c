"""MMPretrain 1.x: how its models are built, run and read.

In: an ``mmengine.Config`` or a model. Out: a ``Task``. Touched: nothing but the model that it builds.
"""

from .codebase import MMPretrain

__all__ = ["CODEBASE"]

CODEBASE = MMPretrain()
