"""MMPose 0.x: how its pose estimators are built, run, read and evaluated.

In: an ``mmcv.Config`` or a pose estimator. Out: a ``Task``, an ``Evaluator``. Touched: the model that it builds; for
the time of a run, the ``test_cfg`` of the model that it runs.
"""

from .codebase import MMPose

__all__ = ["CODEBASE"]

CODEBASE = MMPose()
