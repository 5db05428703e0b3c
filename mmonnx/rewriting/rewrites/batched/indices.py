"""Numbers of images, rows and classes in a flat batch."""

from typing import Any, Sequence

import torch

from ...symbolics import at_least_one
from ..context import ExportContext

_LEAST = -1e30
"""Less than any value."""
CERTAIN = 2.0
"""A score above all real ones: what has it is never suppressed."""


def clip_k(limit: int, size: Any) -> Any:
    """The smaller of a constant and a size, which is a tensor while tracing and an int otherwise."""
    if not isinstance(size, torch.Tensor):
        return min(limit, size)
    bound = torch.tensor(limit, dtype=size.dtype, device=size.device)
    # Less and Where, since Min knows no int64 before opset 12
    return torch.where(bound < size, bound, size)


def image_numbers(context: ExportContext) -> torch.Tensor:
    """0, 1, ... N - 1 as (N,) int64, one and the same tensor for the whole graph."""
    if "image_numbers" not in context.extras:
        context.extras["image_numbers"] = torch.arange(context.input.shape[0], device=context.input.device)
    return context.extras["image_numbers"]


def greatest_of_images(values: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """The greatest of the values (K,) of each image, (N,), where ``own`` (N, K) bool says whose they are.

    Of an image that has none it is less than any value.
    """
    least = values.new_full((1,), _LEAST)
    # one more column, as there is no greatest of nothing
    return torch.cat([torch.where(own, values, least), least.expand(own.shape[0], 1)], 1).max(1)[0]


def rows_of(maps: Sequence[torch.Tensor], channels: int) -> torch.Tensor:
    """The positions of the levels (N, priors * channels, H, W) of a pyramid as rows (N, S, channels)."""
    flat = [value.permute(0, 2, 3, 1).reshape(value.shape[0], -1, channels) for value in maps]
    return torch.cat(flat, 1)


def divide(index: torch.Tensor, by: Any) -> torch.Tensor:
    """Integer division of indices; rounding to zero is one Div node, rounding down six."""
    return torch.div(index, by, rounding_mode="trunc")


def inside(row: torch.Tensor, rows: Any) -> torch.Tensor:
    """The indices, but 0 for those of nothing, which lie behind the rows."""
    return torch.where(row < rows, row, row.new_zeros(1))


def longest(context: ExportContext, count: torch.Tensor, never_empty: bool = False) -> torch.Tensor:
    """The greatest of the numbers (N,) of detections; 1 or more where nothing may be empty."""
    most = count.max()
    if context.capabilities.empty_tensors and not never_empty:
        return at_least_one(most)
    return torch.where(most > 0, most, torch.tensor(1, device=most.device))
