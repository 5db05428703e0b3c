"""Stand-ins for ``torch``'s sums by index: at opsets without sums, torch's exporter keeps one value of each place."""

from typing import Any

import torch

from ...errors import NewerOpsetError
from ..context import ExportContext
from ..registry import rewrite

_OPSET = 16
"""The first that ScatterElements can add at."""


@rewrite("torch.scatter_add")
def scatter_add(context: ExportContext, original: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
    """torch's own, where the file can have it.

    Raises:
        NewerOpsetError: the opset has no sums by index.
    """
    if torch.jit.is_tracing() and context.opset < _OPSET:
        raise NewerOpsetError(f"opset {context.opset} cannot add up what scatter_add puts in one place", _OPSET)
    return original(*args, **kwargs)


@rewrite("torch.Tensor.scatter_add")
def tensor_scatter_add(context: ExportContext, original: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
    """As :func:`scatter_add`."""
    return scatter_add(context, original, *args, **kwargs)


@rewrite("torch.Tensor.scatter_add_")
def tensor_scatter_add_(context: ExportContext, original: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
    """As :func:`scatter_add`."""
    return scatter_add(context, original, *args, **kwargs)


@rewrite("torch.index_add")
def index_add(
    context: ExportContext,
    original: Any,
    input: torch.Tensor,
    dim: int,
    index: torch.Tensor,
    source: torch.Tensor,
    alpha: float = 1,
) -> torch.Tensor:
    """Rows that are added by index, as :func:`scatter_add`: torch's exporter has no sum for them at any opset."""
    if not torch.jit.is_tracing():
        return original(input, dim, index, source, alpha=alpha)
    return input.scatter_add(dim, _of_each_value(index, source, dim), source * alpha)


@rewrite("torch.Tensor.index_add")
def tensor_index_add(context: ExportContext, original: Any, self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    """As :func:`index_add`."""
    return index_add(context, original, self, *args, **kwargs)


@rewrite("torch.Tensor.index_add_")
def tensor_index_add_(
    context: ExportContext,
    original: Any,
    self: torch.Tensor,
    dim: int,
    index: torch.Tensor,
    source: torch.Tensor,
    alpha: float = 1,
) -> torch.Tensor:
    """As :func:`index_add`, in place."""
    if not torch.jit.is_tracing():
        return original(self, dim, index, source, alpha=alpha)
    return self.scatter_add_(dim, _of_each_value(index, source, dim), source * alpha)


def _of_each_value(index: torch.Tensor, source: torch.Tensor, dim: int) -> torch.Tensor:
    """The index (n,) of rows along an axis, for each of their values."""
    after = source.dim() - 1 - dim % source.dim()
    return index.reshape([-1] + [1] * after).expand_as(source)
