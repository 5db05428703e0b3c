"""Stand-ins for ``mmdet/models/necks/fpn_carafe.py``."""

from typing import Any

import torch

from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmdet.models.necks.fpn_carafe.FPN_CARAFE.slice_as")
def slice_as(context: ExportContext, original: Any, self: Any, src: torch.Tensor, dst: torch.Tensor) -> torch.Tensor:
    """The part of ``src`` (N, C, H, W) that is as large as ``dst``; upstream asks the traced sizes if any."""
    return src[:, :, : dst.shape[2], : dst.shape[3]]


@rewrite("mmdet.models.necks.fpn_carafe.FPN_CARAFE.tensor_add")
def tensor_add(context: ExportContext, original: Any, self: Any, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """``a`` and the part of ``b`` that is as large as ``a``; upstream compares the traced image's sizes."""
    return a + self.slice_as(b, a)
