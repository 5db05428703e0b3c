"""Equal scores in PyTorch's own inference, in the order of their indices.

``torch.sort`` leaves the order of equal values open, and takes another one than ONNX's TopK, which goes by index. On a
blank image thousands of scores are exactly equal, so that which boxes survive would be an accident. Where a file is
compared with PyTorch, PyTorch therefore breaks its ties by index as well; nothing else of its inference changes.

A runtime whose sigmoid rounds otherwise sees no tie where PyTorch has one, and the reverse. ``ties_at_random`` tells
what then is an accident.
"""

import importlib
import threading
from contextlib import contextmanager
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Tuple

import numpy as np
import torch

from ..fallback import nms_by_index, nms_rotated_by_index
from . import compat
from .stand_ins import StandIn, plain, standing_in


class _Here(threading.local):
    """The generator and the size of the noise of this thread's open ``ties_at_random`` blocks, the innermost last."""

    def __init__(self) -> None:
        self.noises: List[Tuple[torch.Generator, float]] = []


_here = _Here()


@contextmanager
def ties_by_index() -> Iterator[None]:
    """Make sorting stable, and suppression and the choice of the greatest with it, in this thread inside the block."""
    sort = plain(torch.sort)
    ours: Dict[str, Callable[..., Any]] = {
        "sort": partial(_stable_sort, sort),
        "topk": partial(_stable_topk, sort),
        "max": _shaken_max,
        "argmax": _shaken_argmax,
    }
    stand_ins = [StandIn([owner], name, function) for owner in (torch.Tensor, torch) for name, function in ours.items()]
    # the compiled ones sort as torch does
    compiled = importlib.import_module("mmcv._ext")
    stand_ins += [StandIn([compiled], "nms", _nms), StandIn([compiled], "nms_rotated", _nms_rotated)]
    with standing_in(stand_ins):
        yield


@contextmanager
def ties_at_random(generator: torch.Generator, roundings: float = 1.0) -> Iterator[None]:
    """Let values that are some roundings apart take any order, wherever ``ties_by_index`` has a say in the block."""
    _here.noises.append((generator, roundings))
    try:
        yield
    finally:
        _here.noises.pop()


def _keys(values: torch.Tensor) -> torch.Tensor:
    """What the values are sorted by: themselves, or, in a ``ties_at_random`` block, others a rounding error away."""
    if not _here.noises or not values.is_floating_point():
        return values
    generator, roundings = _here.noises[-1]
    noise = torch.randn(values.shape, generator=generator).to(values)
    keys = values + noise * values.abs() * (roundings * torch.finfo(values.dtype).eps)
    return torch.where(values.isfinite(), keys, values)  # what is masked is no number apart from anything


def _stable_sort(
    sort: Callable[..., Any],
    original: Callable[..., Any],
    values: torch.Tensor,
    dim: int = -1,
    descending: bool = False,
    **kwargs: Any,
) -> Any:
    index = _order(values, dim, descending, sort)
    return type(original(values.new_zeros(1)))((values.gather(dim, index), index))


def _stable_topk(
    sort: Callable[..., Any],
    original: Callable[..., Any],
    values: torch.Tensor,
    k: int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
) -> Any:
    index = _order(values, dim, largest, sort).narrow(dim, 0, int(k))
    return type(original(values.new_zeros(1), 1))((values.gather(dim, index), index))


def _shaken_max(original: Callable[..., Any], values: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    """The best class of a position, say: the first of equals anyway, so that it is only shaken."""
    dim = args[0] if args else kwargs.get("dim")
    if not (_here.noises and isinstance(dim, int) and values.dim()):
        return original(values, *args, **kwargs)
    found = original(_keys(values), *args, **kwargs)
    keeps_dim = found[1].dim() == values.dim()
    index = found[1] if keeps_dim else found[1].unsqueeze(dim)
    greatest = values.gather(dim, index)
    return type(found)((greatest if keeps_dim else greatest.squeeze(dim), found[1]))


def _shaken_argmax(original: Callable[..., Any], values: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    return original(_keys(values), *args, **kwargs)


def _order(values: torch.Tensor, dim: int, descending: bool, sort: Callable[..., Any]) -> torch.Tensor:
    keys = _keys(values)
    if compat.has_stable_sort():
        return sort(keys, dim=dim, descending=descending, stable=True)[1]
    array = keys.detach().cpu().numpy()
    order = np.argsort(-array if descending else array, axis=dim, kind="stable")
    return torch.from_numpy(order).to(values.device)


def _nms(
    original: Callable[..., Any], boxes: torch.Tensor, scores: torch.Tensor, *args: Any, **kwargs: Any
) -> torch.Tensor:
    return nms_by_index(boxes, _keys(scores), *args, **kwargs)


def _nms_rotated(
    original: Callable[..., Any], dets: torch.Tensor, scores: torch.Tensor, *args: Any, **kwargs: Any
) -> torch.Tensor:
    return nms_rotated_by_index(dets, _keys(scores), *args, **kwargs)
