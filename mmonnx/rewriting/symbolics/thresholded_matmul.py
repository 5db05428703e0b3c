"""A batch of matrix products of which only the comparison with a threshold is kept."""

from typing import Any

import torch
from torch.autograd import Function as AutogradFunction

from ...environment import compat
from .functions import DOMAIN, Function, register

# One product at a time is held as float: 100 masks of 800x1216 would be 390 MB.
register(
    Function(
        "ThresholdedMatMul",
        """
        <domain: "mmonnx", opset_import: ["": {opset}]>
        ThresholdedMatMul (a, b, threshold) => (result)
        {
            shape = Shape (a)
            zero = Constant <value = int64[1] {0}> ()
            count = Gather (shape, zero)
            trips = Squeeze (count)
            go = Constant <value = bool {1}> ()
            result = Loop <body = step (int64 number, bool going) => (bool again, bool[h, w] above) {
                again = Identity (going)
                left = Gather <axis = 0> (a, number)
                right = Gather <axis = 0> (b, number)
                product = MatMul (left, right)
                below = Less (product, threshold)
                above = Not (below)
            }> (trips, go)
        }
        """,
    )
)


class _ThresholdedMatMul(AutogradFunction):
    @staticmethod
    def forward(ctx: Any, a: torch.Tensor, b: torch.Tensor, threshold: float) -> torch.Tensor:
        result = torch.zeros(a.shape[0], a.shape[1], b.shape[2], dtype=torch.bool, device=a.device)
        for number in range(a.shape[0]):
            result[number] = a[number].matmul(b[number]) >= threshold
        return result

    @staticmethod
    def symbolic(g: Any, a: Any, b: Any, threshold: float) -> Any:
        value = g.op("Constant", value_t=torch.tensor(threshold, dtype=torch.float32))
        # without a type the exporter prints a warning of its own, past Python's
        kind = compat.tensor_type(torch.bool, 3)
        return g.op(f"{DOMAIN}::ThresholdedMatMul", a, b, value).setType(kind)


def thresholded_matmul(a: torch.Tensor, b: torch.Tensor, threshold: float) -> torch.Tensor:
    """``a @ b >= threshold`` for (K, H, w) and (K, w, W): (K, H, W) bool, one product at a time."""
    return _ThresholdedMatMul.apply(a, b, float(threshold))
