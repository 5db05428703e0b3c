"""A count that is one or more while tracing, and what it is in the file."""

from typing import Any

import torch
from torch.autograd import Function


class _AtLeastOne(Function):
    @staticmethod
    def forward(ctx: Any, count: torch.Tensor) -> torch.Tensor:
        return count.clamp(min=1)

    @staticmethod
    def symbolic(g: Any, count: Any) -> Any:
        return g.op("Identity", count)


def at_least_one(count: torch.Tensor) -> torch.Tensor:
    """The count () int64; one instead of none while tracing, so that nothing found in the sample divides by zero."""
    return _AtLeastOne.apply(count) if torch.jit.is_tracing() else count
