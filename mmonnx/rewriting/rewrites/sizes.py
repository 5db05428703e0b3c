"""Arithmetic on sizes: ints in eager mode, tensors while tracing, of which ``int()`` would make constants."""

from typing import Any

import torch

from .batched import divide


def is_traced(size: Any) -> bool:
    """Whether a size, or one of several, is a tensor."""
    if isinstance(size, (tuple, list)):
        return any(isinstance(value, torch.Tensor) for value in size)
    return isinstance(size, torch.Tensor)


def floor_divide(size: Any, by: int) -> Any:
    """A size that is not negative, by a constant, rounded down."""
    return divide(size, by) if isinstance(size, torch.Tensor) else size // by


def ceil_divide(size: Any, by: int) -> Any:
    """A size that is not negative, by a constant, rounded up."""
    return floor_divide(size + by - 1, by)


def smaller(one: Any, other: Any) -> Any:
    """The smaller of two sizes."""
    if not is_traced((one, other)):
        return min(one, other)
    one, other = torch.as_tensor(one), torch.as_tensor(other)
    return torch.where(one < other, one, other)  # Min knows no int64 before opset 12


def at_least_zero(size: Any) -> Any:
    """A size, or 0 where it is negative; or several of them."""
    if not isinstance(size, torch.Tensor):
        return max(size, 0)
    # not zeros of its shape: of a single size that is empty, which PPLNN does not take
    return torch.where(size > 0, size, torch.tensor(0, dtype=size.dtype, device=size.device))


def true_ratio(size: Any, by: Any) -> torch.Tensor:
    """A size by another, at least 1.0, as a float64 tensor: as exact as Python's own."""
    ratio = torch.as_tensor(size).double() / torch.as_tensor(by).double()
    return torch.where(ratio > 1, ratio, torch.ones_like(ratio))
