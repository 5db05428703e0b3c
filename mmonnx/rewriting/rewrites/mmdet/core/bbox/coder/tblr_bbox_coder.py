"""Stand-in for ``mmdet/core/bbox/coder/tblr_bbox_coder.py``."""

from typing import Any, Optional, Sequence

import torch

from .....boxes import clip_points
from .....context import ExportContext
from .....registry import rewrite


@rewrite("mmdet.core.bbox.coder.tblr_bbox_coder.tblr2bboxes")
def tblr2bboxes(
    context: ExportContext,
    original: Any,
    priors: torch.Tensor,
    tblr: torch.Tensor,
    normalizer: Any = 4.0,
    normalize_by_wh: bool = True,
    max_shape: Optional[Sequence[Any]] = None,
    clip_border: bool = True,
) -> torch.Tensor:
    """Upstream's decoding of (K, 4) into boxes (K, 4), clipped to a traced (height, width, ...) in pixels."""
    boxes = original(priors, tblr, normalizer, normalize_by_wh)
    if clip_border and max_shape is not None:
        boxes = clip_points(boxes.reshape(-1, 2, 2), max_shape).reshape(-1, 4)
    return boxes
