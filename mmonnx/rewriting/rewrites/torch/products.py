"""Stand-ins for ``torch``'s products of vectors that torch's exporter does not know."""

from typing import Any

import torch

from ..context import ExportContext
from ..registry import rewrite


@rewrite("torch.vdot")
def vdot(context: ExportContext, original: Any, input: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """The product of two real vectors (N,), as of the norm that ``spectral_norm`` divides by."""
    if not torch.jit.is_tracing() or input.is_complex():
        return original(input, other)
    return (input * other).sum()


@rewrite("torch.Tensor.vdot")
def tensor_vdot(context: ExportContext, original: Any, self: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """As :func:`vdot`."""
    return vdot(context, original, self, other)


@rewrite("torch.nn.utils.weight_norm._weight_norm")
def weight_norm(context: ExportContext, original: Any, v: torch.Tensor, g: torch.Tensor, dim: int = 0) -> torch.Tensor:
    """``g * v / |v|``; of one axis the norm is that of each number, and torch's exporter takes that of all of them."""
    if not torch.jit.is_tracing() or v.dim() != 1 or dim == -1:
        return original(v, g, dim)
    return v / v.abs() * g
