"""Arithmetic on boxes with a traced image size."""

from typing import Any, Sequence

import torch


def clip_points(points: torch.Tensor, max_shape: Sequence[Any]) -> torch.Tensor:
    """Clip points (..., 2) ``(x, y)`` to an image of (height, width, ...) pixels, traced or not."""
    height, width = max_shape[0], max_shape[1]
    if isinstance(height, torch.Tensor):
        bound = torch.stack([width, height]).to(points)
    else:
        bound = points.new_tensor([width, height])
    points = points.clamp(min=0)
    # ONNX Runtime walks two numbers at a time along a broadcast (2,), and rows of (classes, ..., 2) five times as fast
    bound = bound.expand([int(size) for size in points.shape[1:]])
    # Where and not Min: PPLNN crashes on Min of two tensors of this rank
    return torch.where(points < bound, points, bound)
