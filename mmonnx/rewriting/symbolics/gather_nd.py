"""ONNX GatherND: what torch's exporter makes of an index of several tensors is nine nodes."""

from typing import Any

import torch
from torch.autograd import Function


class _GatherND(Function):
    @staticmethod
    def forward(ctx: Any, data: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        return data[tuple(indices.unbind(1))]

    @staticmethod
    def symbolic(g: Any, data: Any, indices: Any) -> Any:
        return g.op("GatherND", data, indices)


def gather_nd(data: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """``data[indices[:, 0], indices[:, 1], ...]``: data of rank r, indices (S, r) int64, the result (S,)."""
    return _GatherND.apply(data, indices)
