"""ONNX NonZero, of which a trace is never empty."""

from typing import Any

import torch
from torch.autograd import Function


class _NonZero(Function):
    @staticmethod
    def forward(ctx: Any, mask: torch.Tensor, never_empty: bool) -> torch.Tensor:
        found = torch.nonzero(mask).t()
        if never_empty and found.shape[1] == 0:
            return mask.new_zeros((mask.dim(), 1), dtype=torch.long)
        return found.contiguous()

    @staticmethod
    def symbolic(g: Any, mask: Any, never_empty: bool) -> Any:
        return g.op("NonZero", mask)


def non_zero(mask: torch.Tensor, never_empty: bool = False) -> torch.Tensor:
    """The indices of the true elements of a bool tensor of any rank: (rank, K) int64, in row-major order.

    Args:
        mask: the tensor.
        never_empty: while tracing give at least one index (whose value does not matter there), so that no branch of
            the model's own code for "nothing found" is traced.
    """
    return _NonZero.apply(mask, never_empty and torch.jit.is_tracing())
