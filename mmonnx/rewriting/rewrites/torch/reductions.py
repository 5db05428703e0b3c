"""Stand-ins for ``torch``'s running maxima and minima."""

from typing import Any

import torch

from ...symbolics import cumulative
from ..context import ExportContext
from ..registry import rewrite


@rewrite("torch.cummax")
def cummax(context: ExportContext, original: Any, input: torch.Tensor, dim: int) -> Any:
    """Values and places (int64) of the greatest so far along an axis, as mmcv's operator."""
    return torch.return_types.cummax(cumulative.cummax(input, dim))


@rewrite("torch.Tensor.cummax")
def tensor_cummax(context: ExportContext, original: Any, self: torch.Tensor, dim: int) -> Any:
    """As :func:`cummax`."""
    return torch.return_types.cummax(cumulative.cummax(self, dim))


@rewrite("torch.cummin")
def cummin(context: ExportContext, original: Any, input: torch.Tensor, dim: int) -> Any:
    """As :func:`cummax`, of the least."""
    return torch.return_types.cummin(cumulative.cummin(input, dim))


@rewrite("torch.Tensor.cummin")
def tensor_cummin(context: ExportContext, original: Any, self: torch.Tensor, dim: int) -> Any:
    """As :func:`cummin`."""
    return torch.return_types.cummin(cumulative.cummin(self, dim))
