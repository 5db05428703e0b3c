"""Stand-in for ``mmrotate/core/bbox/coder/delta_xywha_rbbox_coder.py``."""

from typing import Any, Optional, Sequence

import torch

from .....boxes import clip_points
from .....context import ExportContext
from .....registry import rewrite


@rewrite("mmrotate.core.bbox.coder.delta_xywha_rbbox_coder.delta2bbox")
def delta2bbox(
    context: ExportContext,
    original: Any,
    rois: torch.Tensor,
    deltas: torch.Tensor,
    means: Sequence[float] = (0.0,) * 5,
    stds: Sequence[float] = (1.0,) * 5,
    max_shape: Optional[Sequence[Any]] = None,
    *args: Any,
    **kwargs: Any,
) -> torch.Tensor:
    """Upstream's arithmetic, with centres that are kept inside of an image of a traced size.

    Args:
        rois: (K, 5) centre, width, height, angle.
        deltas: (K, classes * 5).
        max_shape: (height, width, ...) in pixels, traced or not.

    Returns:
        (K, classes * 5) boxes.
    """
    boxes = original(rois, deltas, means, stds, None, *args, **kwargs)
    if max_shape is None:
        return boxes
    classes = int(deltas.shape[1]) // 5
    parts = []
    for index in range(classes):
        own = boxes[:, 5 * index : 5 * index + 5]
        parts += [clip_points(own[:, :2], (max_shape[0] - 1, max_shape[1] - 1)), own[:, 2:]]
    return torch.cat(parts, 1)
