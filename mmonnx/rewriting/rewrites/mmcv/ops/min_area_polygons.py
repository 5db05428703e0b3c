"""Stand-in for ``mmcv/ops/min_area_polygons.py``."""

from typing import Any

import torch

from .....fallback import smallest_rectangles
from ...context import ExportContext
from ...registry import rewrite


@rewrite("mmcv.ops.min_area_polygons.min_area_polygons")
def min_area_polygons(context: ExportContext, original: Any, pointsets: torch.Tensor) -> torch.Tensor:
    """The corners (N, 8) of the smallest rectangles around sets (N, 18) of nine points."""
    return smallest_rectangles(pointsets.reshape(-1, 9, 2)).flatten(1)
