"""MMClassification 0.x: how its classifiers are built, run, read and evaluated.

In: an ``mmcv.Config`` or a classifier. Out: a ``Task``, an ``Evaluator``. Touched: nothing but the model that it
builds.
"""

from .codebase import MMClassification

__all__ = ["CODEBASE"]

CODEBASE = MMClassification()
