"""Stand-ins for Python's ``math``, which makes numbers of the sizes of a trace."""

from typing import Any, Callable

import torch

from .context import ExportContext
from .registry import rewrite


@rewrite("math.ceil")
def ceil(context: ExportContext, original: Any, x: Any) -> Any:
    """Round up, ``math.ceil(height / stride)``: a traced number stays one where sizes are dynamic."""
    return _rounded(x, torch.ceil) if _is_followed(context, x) else original(x)


@rewrite("math.floor")
def floor(context: ExportContext, original: Any, x: Any) -> Any:
    """Round down, as :func:`ceil` rounds up."""
    return _rounded(x, torch.floor) if _is_followed(context, x) else original(x)


def _is_followed(context: ExportContext, x: Any) -> bool:
    # of one size it is a constant, as torch's exporter wants the size of a window to be
    return isinstance(x, torch.Tensor) and x.dim() == 0 and context.dynamic_size and torch.jit.is_tracing()


def _rounded(x: torch.Tensor, by: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    return by(x).long() if x.is_floating_point() else x
