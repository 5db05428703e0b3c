"""MMClassification 0.x: how its classifiers are built, run, read and evaluated; and what every toolbox of them shares.

In: an ``mmcv.Config`` or a classifier. Out: a ``Task``, an ``Evaluator``. Touched: nothing but the model that it
builds.
"""

from .codebase import ClassifierCodebase, MMClassification
from .evaluation import ClassifierEvaluator
from .toolbox import Toolbox, joined

__all__ = ["CODEBASE", "ClassifierCodebase", "ClassifierEvaluator", "Toolbox", "joined"]

CODEBASE = MMClassification()
