"""Stand-in for ``mmdet/core/bbox/coder/delta_xywh_bbox_coder.py``."""

import math
from typing import Any, Optional, Sequence, Tuple

import torch

from .....boxes import clip_points
from .....context import ExportContext
from .....registry import rewrite


@rewrite("mmdet.core.bbox.coder.delta_xywh_bbox_coder.delta2bbox")
def delta2bbox(
    context: ExportContext,
    original: Any,
    rois: torch.Tensor,
    deltas: torch.Tensor,
    means: Sequence[float] = (0.0, 0.0, 0.0, 0.0),
    stds: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
    max_shape: Optional[Sequence[Any]] = None,
    wh_ratio_clip: float = 16 / 1000,
    clip_border: bool = True,
    add_ctr_clamp: bool = False,
    ctr_clamp: float = 32,
) -> torch.Tensor:
    """Apply deltas to boxes: upstream's arithmetic, with a traced image size and no write in place.

    Args:
        rois: (K, 4) ``(x1, y1, x2, y2)``.
        deltas: (K, classes * 4).
        max_shape: (height, width, ...) in pixels, traced or not.

    Returns:
        (K, classes * 4) boxes.
    """
    channels = int(deltas.shape[-1])
    classes = channels // 4
    # one number per column: ONNX Runtime is slow where it has to repeat four of them along a row
    if any(value != 1 for value in stds):
        deltas = deltas * deltas.new_tensor(list(stds) * classes)
    if any(value != 0 for value in means):
        deltas = deltas + deltas.new_tensor(list(means) * classes)
    deltas = deltas.reshape(-1, classes, 4)
    rois = rois.reshape(-1, 1, 4)
    low, high = rois[..., :2], rois[..., 2:]
    size = high - low
    shift, growth = _bounded(size, deltas, wh_ratio_clip, ctr_clamp if add_ctr_clamp else None)
    center = (low + high) * 0.5 + shift
    half = size * growth.exp() * 0.5
    corners = torch.stack([center - half, center + half], -2)  # (boxes, classes, 2, 2)
    if clip_border and max_shape is not None:
        corners = clip_points(corners, max_shape)
    return corners.reshape(-1, channels)


@rewrite("mmdet.core.bbox.coder.delta_xywh_bbox_coder.delta2bbox_glip")
def delta2bbox_glip(
    context: ExportContext,
    original: Any,
    rois: torch.Tensor,
    deltas: torch.Tensor,
    means: Sequence[float] = (0.0, 0.0, 0.0, 0.0),
    stds: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
    max_shape: Optional[Sequence[Any]] = None,
    wh_ratio_clip: float = 16 / 1000,
    clip_border: bool = True,
    add_ctr_clamp: bool = False,
    ctr_clamp: float = 32,
) -> torch.Tensor:
    """As :func:`delta2bbox`, of boxes (K, 4) whose last pixels are their own; one class alone.

    Upstream takes one pixel off both sides: of anchors before, of boxes after the deltas, and of the image's bounds.
    """
    deltas = deltas * deltas.new_tensor(list(stds)) + deltas.new_tensor(list(means))
    low, high = rois[:, :2], rois[:, 2:]
    size = high - low
    shift, growth = _bounded(size, deltas, wh_ratio_clip, ctr_clamp if add_ctr_clamp else None)
    center, half = (low + high - 1) * 0.5 + shift, (size * growth.exp() - 1) * 0.5
    corners = torch.stack([center - half, center + half], 1)
    if clip_border and max_shape is not None:
        corners = clip_points(corners, (max_shape[0] - 1, max_shape[1] - 1))
    return corners.reshape(-1, 4)


def _bounded(
    size: torch.Tensor, deltas: torch.Tensor, wh_ratio_clip: float, ctr_clamp: Optional[float]
) -> Tuple[torch.Tensor, torch.Tensor]:
    """How far deltas (..., 4) move a center, in pixels, and the logarithm of how much they stretch a box.

    Args:
        size: (..., 2), of the boxes.
        ctr_clamp: how far a center may move at most, in pixels; None for any way, and then boxes shrink no more than
            they grow.
    """
    shift, growth, ratio = size * deltas[..., :2], deltas[..., 2:], abs(math.log(wh_ratio_clip))
    if ctr_clamp is None:
        return shift, growth.clamp(min=-ratio, max=ratio)
    return shift.clamp(min=-ctr_clamp, max=ctr_clamp), growth.clamp(max=ratio)
