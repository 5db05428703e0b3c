"""Equal scores in PyTorch's own inference, in the order of their indices.

``torch.sort`` leaves the order of equal values open, and takes another one than ONNX's TopK, which goes by index. On a
blank image thousands of scores are exactly equal, so that which boxes survive would be an accident. Where a file is
compared with PyTorch, PyTorch therefore breaks its ties by index as well; nothing else of its inference changes.
"""

import functools
import importlib
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, Tuple

import numpy as np
import torch

from .. import compat
from ..fallback.nms import nms as nms_by_index


@contextmanager
def ties_by_index() -> Iterator[None]:
    """Make sorting stable, and suppression with it, inside the block."""
    extension = importlib.import_module("mmcv._ext")
    replaced: List[Tuple[Any, str, Any]] = [(torch.Tensor, "sort", vars(torch.Tensor).get("sort"))]
    replaced += [(torch, "sort", torch.sort), (extension, "nms", extension.nms)]
    torch.Tensor.sort, torch.sort = _stable(torch.Tensor.sort), _stable(torch.sort)
    extension.nms = nms_by_index  # the compiled one sorts as torch does
    try:
        yield
    finally:
        for owner, name, value in replaced:
            if value is None:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


def _stable(sort: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(sort)
    def stable_sort(values: torch.Tensor, dim: int = -1, descending: bool = False, **kwargs: Any) -> Any:
        if compat.has_stable_sort():
            return sort(values, dim=dim, descending=descending, **{**kwargs, "stable": True})
        found = sort(values, dim, descending)
        array = values.detach().cpu().numpy()
        order = np.argsort(-array if descending else array, axis=dim, kind="stable")
        index = torch.from_numpy(order).to(values.device)
        return type(found)((values.gather(dim, index), index))

    return stable_sort
