"""Stand-in for ``torch.diag``, which torch's exporter has not."""

from typing import Any

import torch
from torch.nn import functional

from ..context import ExportContext
from ..registry import rewrite


@rewrite("torch.diag")
def diag(context: ExportContext, original: Any, input: torch.Tensor, diagonal: int = 0) -> torch.Tensor:
    """The square matrix with (n,) values on a diagonal; the diagonals of matrices are left to the exporter."""
    if input.dim() != 1 or not torch.jit.is_tracing():
        return original(input, diagonal)
    before, after = max(-diagonal, 0), max(diagonal, 0)
    values = functional.pad(input, (before, after))
    place = torch.arange(values.shape[0], device=input.device)
    # chosen, and not multiplied: infinities are among the values
    return torch.where(place - place[:, None] == diagonal, values[:, None], input.new_zeros(1))
