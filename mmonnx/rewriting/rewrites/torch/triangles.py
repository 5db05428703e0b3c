"""Stand-ins for ``torch``'s triangles, of which causal masks are made."""

from typing import Any

import torch

from ..context import ExportContext
from ..registry import rewrite

_OPSET = 14
"""The first that ONNX has Trilu at."""


@rewrite("torch.triu")
def triu(context: ExportContext, original: Any, input: torch.Tensor, diagonal: int = 0) -> torch.Tensor:
    """The part (..., R, C) from a diagonal on, zeros elsewhere, at opsets that have no such operator too."""
    if context.opset >= _OPSET or not torch.jit.is_tracing():
        return original(input, diagonal)
    return _where(_above(input) >= diagonal, input)


@rewrite("torch.tril")
def tril(context: ExportContext, original: Any, input: torch.Tensor, diagonal: int = 0) -> torch.Tensor:
    """The part (..., R, C) up to a diagonal, as :func:`triu`."""
    if context.opset >= _OPSET or not torch.jit.is_tracing():
        return original(input, diagonal)
    return _where(_above(input) <= diagonal, input)


@rewrite("torch.Tensor.triu")
def tensor_triu(context: ExportContext, original: Any, self: torch.Tensor, diagonal: int = 0) -> torch.Tensor:
    """As :func:`triu`."""
    return triu(context, original, self, diagonal)


@rewrite("torch.Tensor.tril")
def tensor_tril(context: ExportContext, original: Any, self: torch.Tensor, diagonal: int = 0) -> torch.Tensor:
    """As :func:`tril`."""
    return tril(context, original, self, diagonal)


def _above(input: torch.Tensor) -> torch.Tensor:
    """(R, C) int64, how many diagonals above the main one each place lies."""
    row, column = (torch.arange(input.shape[axis], device=input.device) for axis in (-2, -1))
    return column - row[:, None]


def _where(kept: torch.Tensor, input: torch.Tensor) -> torch.Tensor:
    if input.dtype == torch.bool:
        return kept & input
    return torch.where(kept, input, input.new_zeros(1))
