"""Detectors of rotated boxes: the file's detections, and PyTorch's own inference, as mmrotate's datasets evaluate them.

All of it is as of mmdet's, whose registry of datasets has mmrotate's as well.
"""

import contextlib
import importlib
from multiprocessing.pool import ThreadPool
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator, List, Sequence

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
        """The dataset's own figures."""
        with _in_threads():
            return super().score(dataset, results, metrics, options)

    def drawable(self, result: Any, meta: Dict[str, Any]) -> Detections:
        """One result for a picture."""
        return by_score(result)


def average_precision(results: List[Any], annotations: List[Any], iou_thr: float) -> float:
    """The mean average precision by mmrotate's own ``eval_rbbox_map``.

    Args:
        results: for each image, arrays (n, 6) by class, as an mmrotate detector returns them.
        annotations: for each image, its ``bboxes`` (n, 5) and ``labels`` (n,).
        iou_thr: the overlap from which a detection counts.
    """
    with _in_threads() as module:
        return float(module.eval_rbbox_map(results, annotations, iou_thr=iou_thr, logger="silent", nproc=1)[0])


@contextlib.contextmanager
def _in_threads() -> Iterator[Any]:
    """mmrotate's module of mAP, whose work is done in threads of this process.

    mmrotate starts new processes for it, which import mmcv without its compiled operators where there are none, and for
    which it would wait for ever.
    """
    module = importlib.import_module("mmrotate.core.evaluation.eval_map")
    with standing_in([StandIn([module], "get_context", _threads)]):
        yield module


def _threads(original: Callable[..., Any], method: str) -> Any:
    """A context of multiprocessing whose pools are of threads."""
    return SimpleNamespace(Pool=ThreadPool)
