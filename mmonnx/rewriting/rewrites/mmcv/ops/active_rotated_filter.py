"""Stand-in for ``mmcv/ops/active_rotated_filter.py``."""

from typing import Any

import torch

from ...context import ExportContext
from ...registry import rewrite


@rewrite("mmcv.ops.active_rotated_filter.active_rotated_filter")
def active_rotated_filter(
    context: ExportContext, original: Any, input: torch.Tensor, indices: torch.Tensor
) -> torch.Tensor:
    """Filters (out, in, orientations, kh, kw) turned by every angle: (out * rotations, in * orientations, kh, kw).

    Args:
        indices: (orientations, kh, kw, rotations), which entry each becomes, counted from 1.
    """
    out, within, orientations, height, width = (int(size) for size in input.shape)
    places = indices.detach().reshape(-1, int(indices.shape[-1])).t().long() - 1
    sources = torch.stack([row.argsort() for row in places.cpu()]).to(input.device)
    turned = input.reshape(out, within, -1)[:, :, sources.tolist()]  # (out, in, rotations, entries)
    return turned.transpose(1, 2).reshape(out * len(sources), within * orientations, height, width)
