"""Stand-ins for what makes tensors of numbers: of numbers that are traced, it would make constants."""

from typing import Any, List, Optional

import torch

from ..context import ExportContext
from ..registry import rewrite


@rewrite("torch.as_tensor")
def as_tensor(context: ExportContext, original: Any, data: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
    """Nested lists with traced sizes become a tensor that follows them."""
    return original(_followed(data, kwargs.get("dtype")), *args, **kwargs)


@rewrite("torch.tensor")
def tensor(context: ExportContext, original: Any, data: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
    """As :func:`as_tensor`."""
    followed = _followed(data, kwargs.get("dtype"))
    if followed is data:
        return original(data, *args, **kwargs)
    return followed.to(kwargs.get("device") or followed.device)


@rewrite("torch.Tensor.new_tensor")
def new_tensor(context: ExportContext, original: Any, self: torch.Tensor, data: Any, **kwargs: Any) -> torch.Tensor:
    """As :func:`as_tensor`, of this tensor's type."""
    dtype = kwargs.get("dtype") or self.dtype
    followed = _followed(data, dtype)
    if followed is data:
        return original(self, data, **kwargs)
    return followed.to(kwargs.get("device") or self.device)


@rewrite("torch.linspace")
def linspace(context: ExportContext, original: Any, start: Any, end: Any, steps: Any, **kwargs: Any) -> torch.Tensor:
    """Equal steps from ``start`` to ``end``, of a number that is traced; a single one is at the start."""
    if not any(isinstance(value, torch.Tensor) for value in (start, end, steps)):
        return original(start, end, steps, **kwargs)
    dtype = kwargs.get("dtype") or torch.get_default_dtype()
    place = torch.arange(steps, device=kwargs.get("device")).to(dtype)
    last = torch.as_tensor(steps - 1, device=place.device).to(dtype).clamp(min=1)
    step = (torch.as_tensor(end, device=place.device).to(dtype) - start) / last
    return place * step + start


def _followed(data: Any, dtype: Optional[torch.dtype]) -> Any:
    """Nested lists as a tensor if a number in them is traced, otherwise as they are."""
    leaves: List[Any] = []
    shape = _flatten(data, leaves)
    if not shape or not torch.jit.is_tracing() or not any(isinstance(leaf, torch.Tensor) for leaf in leaves):
        return data
    if any(isinstance(leaf, torch.Tensor) and leaf.dim() for leaf in leaves):
        return data
    if dtype is None:
        real = any(isinstance(leaf, float) or torch.is_tensor(leaf) and leaf.is_floating_point() for leaf in leaves)
        dtype = torch.get_default_dtype() if real else torch.long
    parts = [leaf.to(dtype) if torch.is_tensor(leaf) else torch.full((), leaf, dtype=dtype) for leaf in leaves]
    return torch.stack(parts).reshape(shape)


def _flatten(data: Any, leaves: List[Any]) -> List[int]:
    """Append the numbers of nested lists of equal lengths to ``leaves``; the shape they have."""
    if not isinstance(data, (list, tuple)):
        leaves.append(data)
        return []
    inner: List[int] = []
    for part in data:
        inner = _flatten(part, leaves)
    return [len(data), *inner]


@rewrite("torch.meshgrid")
def meshgrid(context: ExportContext, original: Any, *tensors: Any, **kwargs: Any) -> Any:
    """Grids (W, H) of axes x and y as (H, W) for ``indexing="xy"``, which torch's exporter has from 2.0 on."""
    if kwargs.get("indexing") != "xy" or not torch.jit.is_tracing():
        return original(*tensors, **kwargs)
    axes = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    grids = original(*axes, indexing="ij")
    return tuple(grid.transpose(0, 1) for grid in grids) if len(axes) > 1 else grids
