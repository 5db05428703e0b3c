"""Stand-ins for mmpose's operations on maps."""

from typing import Any, Optional

import torch
from torch.nn import functional

from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmpose.models.utils.ops.resize")
def resize(
    context: ExportContext,
    original: Any,
    input: torch.Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: Optional[bool] = None,
    warning: bool = True,
) -> torch.Tensor:
    """Resize (N, C, H, W) maps to a size that stays traced; upstream makes numbers of it."""
    return functional.interpolate(input, size, scale_factor, mode, align_corners)
