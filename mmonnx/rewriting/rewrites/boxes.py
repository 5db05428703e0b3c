"""Arithmetic on boxes with a traced image size."""

from typing import Any, Sequence

import torch


def clip_columns(points: torch.Tensor, max_shape: Sequence[Any]) -> torch.Tensor:
    """As :func:`clip_points`, of points (..., 2, K): a runtime walks K numbers at a time, and not two."""
    bound = _bound(points, max_shape)[:, None]
    points = points.clamp(min=0)
    return torch.where(points < bound, points, bound)


def clip_points(points: torch.Tensor, max_shape: Sequence[Any]) -> torch.Tensor:
    """Clip points (..., 2) ``(x, y)`` to an image of (height, width, ...) pixels, traced or not."""
    # ONNX Runtime walks two numbers at a time along a broadcast (2,), and rows of (classes, ..., 2) five times as fast
    bound = _bound(points, max_shape).expand([int(size) for size in points.shape[1:]])
    points = points.clamp(min=0)
    # Where and not Min: PPLNN crashes on Min of two tensors of this rank
    return torch.where(points < bound, points, bound)


def _bound(points: torch.Tensor, max_shape: Sequence[Any]) -> torch.Tensor:
    """(width, height) as (2,), of the points' type."""
    height, width = max_shape[0], max_shape[1]
    if isinstance(height, torch.Tensor):
        return torch.stack([width, height]).to(points)
    return points.new_tensor([width, height])
