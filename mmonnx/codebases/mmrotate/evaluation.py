"""Detectors of rotated boxes: the file's detections, and PyTorch's own inference, as mmrotate's datasets evaluate them.

All of it is as of mmdet's, whose registry of datasets has mmrotate's as well.
"""

import importlib
from typing import Any, Dict

from ...runtime import Detections
from ..mmdet import DetectorEvaluator
from .rotated import by_score


class RotatedEvaluator(DetectorEvaluator):
    """Detections as mmrotate's datasets evaluate them, a list with an array (n, 6) for each class."""

    def datasets(self) -> Any:
        """mmdet's datasets, which build those of mmrotate too once these are imported."""
        importlib.import_module("mmrotate.datasets")
        return super().datasets()

    def drawable(self, result: Any, meta: Dict[str, Any]) -> Detections:
        """One result for a picture."""
        return by_score(result)
