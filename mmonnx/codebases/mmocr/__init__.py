"""MMOCR 0.x: how its text detectors and text recognizers are built, run, read and evaluated.

In: an ``mmcv.Config`` or a model. Out: a ``Task``, an ``Evaluator``. Touched: nothing but the model that it builds.
"""

from .codebase import MMOCR

__all__ = ["CODEBASE"]

CODEBASE = MMOCR()
