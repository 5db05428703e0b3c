"""Stand-ins for mmseg's resizing."""

from typing import Any

import torch
from torch.nn import functional

from ...context import ExportContext
from ...registry import rewrite
from ...sizes import is_traced


@rewrite("mmseg.ops.wrappers.resize")
def resize(
    context: ExportContext,
    original: Any,
    input: torch.Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: Any = None,
    warning: bool = True,
) -> torch.Tensor:
    """Resize (N, C, H, W); upstream looks at the sizes for what it warns of."""
    return functional.interpolate(input, size, scale_factor, mode, align_corners)


@rewrite("mmseg.ops.wrappers.Upsample.forward")
def forward(context: ExportContext, original: Any, self: Any, x: torch.Tensor) -> torch.Tensor:
    """Resize (N, C, H, W) by the module's factor, of which upstream makes whole numbers in Python."""
    if self.size or not is_traced(tuple(x.shape)):
        return original(self, x)
    factors = self.scale_factor if isinstance(self.scale_factor, tuple) else (self.scale_factor,) * 2
    size = [_scaled(side, factor) for side, factor in zip(x.shape[-2:], factors)]
    return functional.interpolate(x, size, None, self.mode, self.align_corners)


def _scaled(side: Any, factor: float) -> Any:
    """A size by a factor, rounded down as Python does."""
    return side * int(factor) if float(factor).is_integer() else (torch.as_tensor(side).double() * factor).long()
