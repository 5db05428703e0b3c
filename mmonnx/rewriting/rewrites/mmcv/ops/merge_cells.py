"""Stand-in for ``mmcv/ops/merge_cells.py``, the cells of NAS-FPN and NAS-FCOS."""

from typing import Any, Tuple

import torch

from ...batched import divide
from ...context import ExportContext
from ...registry import rewrite
from ...sizes import floor_divide, is_traced


@rewrite("mmcv.ops.merge_cells.BaseMergeCell._resize")
def resize(context: ExportContext, original: Any, self: Any, x: torch.Tensor, size: Tuple[Any, Any]) -> torch.Tensor:
    """Bring a level (N, C, H, W) to the (height, width) of another; which of the two is larger is as in the trace.

    A smaller level is pooled: upstream's windows, whose size depends on the sizes and which begin in a border of zeros.
    """
    have, want = [int(value) for value in x.shape[2:]], [int(value) for value in size]
    if not is_traced(size) or have <= want:
        return original(self, x, size)
    x = _pooled(x, size[0])
    return _pooled(x.transpose(2, 3), size[1]).transpose(2, 3)


def _pooled(x: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """The greatest values of ``size`` windows along axis 2."""
    length = x.shape[2]
    window = divide(length + size - 1, size)
    before = floor_divide(window * size - length, 2)
    place = torch.arange(size, device=x.device)[:, None] * window + torch.arange(window, device=x.device) - before
    # row ``length`` is the zeros of the border
    end = torch.as_tensor(length, device=x.device)
    place = torch.where((place < 0) | (place >= end), end, place)
    x = torch.cat([x, torch.zeros_like(x[:, :, :1])], 2)
    return x[:, :, place].max(3)[0]
