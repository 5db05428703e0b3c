"""Equal scores in PyTorch's own inference, in the order of their indices.

``torch.sort`` leaves the order of equal values open, and takes another one than ONNX's TopK, which goes by index. On a
blank image thousands of scores are exactly equal, so that which boxes survive would be an accident. Where a file is
compared with PyTorch, PyTorch therefore breaks its ties by index as well; nothing else of its inference changes.

A runtime whose sigmoid rounds otherwise sees no tie where PyTorch has one, and the reverse. ``ties_at_random`` tells
what then is an accident.
"""

import functools
import importlib
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, Tuple

import numpy as np
import torch

from .. import compat
from ..fallback.nms import nms as nms_by_index

_noises: List[Tuple[torch.Generator, float]] = []
"""The generator and the size of the noise of the ``ties_at_random`` blocks that are open, the innermost last."""


@contextmanager
def ties_by_index() -> Iterator[None]:
    """Make sorting stable, and suppression and the choice of the greatest with it, inside the block."""
    extension = importlib.import_module("mmcv._ext")
    stable = {"sort": _stable, "topk": _greatest, "max": _maximum, "argmax": _index_of_maximum}
    replaced: List[Tuple[Any, str, Any]] = [(torch.Tensor, name, vars(torch.Tensor).get(name)) for name in stable]
    replaced += [(torch, name, getattr(torch, name)) for name in stable] + [(extension, "nms", extension.nms)]
    sort = torch.sort
    for owner in (torch.Tensor, torch):
        for name, make in stable.items():
            setattr(owner, name, make(getattr(owner, name), sort))
    extension.nms = _nms  # the compiled one sorts as torch does
    try:
        yield
    finally:
        for owner, name, value in replaced:
            if value is None:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


@contextmanager
def ties_at_random(generator: torch.Generator, roundings: float = 1.0) -> Iterator[None]:
    """Let values that are some roundings apart take any order, wherever ``ties_by_index`` has a say in the block."""
    _noises.append((generator, roundings))
    try:
        yield
    finally:
        _noises.pop()


def _keys(values: torch.Tensor) -> torch.Tensor:
    """What the values are sorted by: themselves, or, in a ``ties_at_random`` block, others a rounding error away."""
    if not _noises or not values.is_floating_point():
        return values
    generator, roundings = _noises[-1]
    noise = torch.randn(values.shape, generator=generator).to(values)
    return values + noise * values.abs() * (roundings * torch.finfo(values.dtype).eps)


def _stable(function: Callable[..., Any], sort: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def stable_sort(values: torch.Tensor, dim: int = -1, descending: bool = False, **kwargs: Any) -> Any:
        index = _order(values, dim, descending, sort)
        return type(function(values.new_zeros(1)))((values.gather(dim, index), index))

    return stable_sort


def _greatest(function: Callable[..., Any], sort: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def stable_topk(values: torch.Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
        index = _order(values, dim, largest, sort).narrow(dim, 0, int(k))
        return type(function(values.new_zeros(1), 1))((values.gather(dim, index), index))

    return stable_topk


def _maximum(function: Callable[..., Any], sort: Callable[..., Any]) -> Callable[..., Any]:
    """The best class of a position, say: the first of equals anyway, so that it is only shaken."""

    @functools.wraps(function)
    def shaken_max(values: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        dim = args[0] if args else kwargs.get("dim")
        if not (_noises and isinstance(dim, int) and values.dim()):
            return function(values, *args, **kwargs)
        found = function(_keys(values), *args, **kwargs)
        keeps_dim = found[1].dim() == values.dim()
        index = found[1] if keeps_dim else found[1].unsqueeze(dim)
        greatest = values.gather(dim, index)
        return type(found)((greatest if keeps_dim else greatest.squeeze(dim), found[1]))

    return shaken_max


def _index_of_maximum(function: Callable[..., Any], sort: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def shaken_argmax(values: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        return function(_keys(values), *args, **kwargs)

    return shaken_argmax


def _order(values: torch.Tensor, dim: int, descending: bool, sort: Callable[..., Any]) -> torch.Tensor:
    keys = _keys(values)
    if compat.has_stable_sort():
        return sort(keys, dim=dim, descending=descending, stable=True)[1]
    array = keys.detach().cpu().numpy()
    order = np.argsort(-array if descending else array, axis=dim, kind="stable")
    return torch.from_numpy(order).to(values.device)


def _nms(boxes: torch.Tensor, scores: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    return nms_by_index(boxes, _keys(scores), *args, **kwargs)
