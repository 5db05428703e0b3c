"""Stand-ins for ``torch``'s sums by index: at opsets without sums, torch's exporter keeps one value of each place."""

from typing import Any, Tuple

import torch

from ....support import NewerOpsetError
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
def index_add(context: ExportContext, original: Any, input: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """Rows that are added by index, as :func:`scatter_add`: torch's exporter has no sum for them at any opset."""
    if not torch.jit.is_tracing():
        return original(input, *args, **kwargs)
    return input.scatter_add(*_by_value(*args, **kwargs))


@rewrite("torch.Tensor.index_add")
def tensor_index_add(context: ExportContext, original: Any, self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    """As :func:`index_add`."""
    return index_add(context, original, self, *args, **kwargs)


@rewrite("torch.Tensor.index_add_")
def tensor_index_add_(context: ExportContext, original: Any, self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    """As :func:`index_add`, in place."""
    if not torch.jit.is_tracing():
        return original(self, *args, **kwargs)
    return self.scatter_add_(*_by_value(*args, **kwargs))


def _by_value(
    dim: int, index: torch.Tensor, source: torch.Tensor, alpha: float = 1
) -> Tuple[int, torch.Tensor, torch.Tensor]:
    """What ``scatter_add`` takes for rows along an axis: the index (n,) of each is that of all of its values."""
    after = source.dim() - 1 - dim % source.dim()
    return dim, index.reshape([-1] + [1] * after).expand_as(source), source * alpha
