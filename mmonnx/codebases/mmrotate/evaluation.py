"""Detectors of rotated boxes: the file's detections, and PyTorch's own inference, as mmrotate's datasets evaluate them.

All of it is as of mmdet's, whose registry of datasets has mmrotate's as well.
"""

import importlib
from multiprocessing.pool import ThreadPool
from types import SimpleNamespace
from typing import Any, Callable, Dict, List, Sequence

from ...environment import StandIn, standing_in
from ...runtime import Detections
from ..mmdet import DetectorEvaluator
from .rotated import by_score


class RotatedEvaluator(DetectorEvaluator):
    """Detections as mmrotate's datasets evaluate them, a list with an array (n, 6) for each class."""

    def datasets(self) -> Any:
        """mmdet's datasets, which build those of mmrotate too once these are imported."""
        importlib.import_module("mmrotate.datasets")
        return super().datasets()

    def score(self, dataset: Any, results: List[Any], metrics: Sequence[str], options: Dict[str, Any]) -> Any:
        """The dataset's own figures.

        mmrotate starts new processes for it, which import mmcv without its compiled operators where there are none, and
        for which it would wait for ever: threads of this one do the same.
        """
        module = importlib.import_module("mmrotate.core.evaluation.eval_map")
        with standing_in([StandIn([module], "get_context", _threads)]):
            return super().score(dataset, results, metrics, options)

    def drawable(self, result: Any, meta: Dict[str, Any]) -> Detections:
        """One result for a picture."""
        return by_score(result)


def _threads(original: Callable[..., Any], method: str) -> Any:
    """A context of multiprocessing whose pools are of threads."""
    return SimpleNamespace(Pool=ThreadPool)
