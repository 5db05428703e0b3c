"""Greedy suppression by a table of who suppresses whom: all boxes at once, as often as their answers change."""

from typing import Any

import torch
from torch.autograd import Function as AutogradFunction

from ...environment import compat, untraced
from .functions import DOMAIN, Function, register

# A turn is right for one box more of each chain of boxes that suppress each other, and mostly for all of them.
register(
    Function(
        "SetNms",
        """
        <domain: "mmonnx", opset_import: ["": {opset}]>
        SetNms (conflict, taken) => (kept)
        {
            zero = Constant <value = float {0.0}> ()
            go = Constant <value = bool {1}> ()
            shape = Shape (taken)
            last = Constant <value = int64 {2}> ()
            turns = Gather (shape, last)
            kept = Loop <body = step (int64 turn, bool going, float[n, b, k] state)
                => (bool again, float[n, b, k] next_state) {
                hits = MatMul (state, conflict)
                hit = Greater (hits, zero)
                next_state = Where (hit, zero, taken)
                change = Sub (next_state, state)
                square = Mul (change, change)
                most = ReduceMax <keepdims = 0> (square)
                again = Greater (most, zero)
            }> (turns, go, taken)
        }
        """,
    )
)


class _SetNms(AutogradFunction):
    @staticmethod
    def forward(ctx: Any, conflict: torch.Tensor, taken: torch.Tensor) -> torch.Tensor:
        kept = taken.clone()
        with untraced():
            for _ in range(int(taken.shape[2])):
                before, kept = kept, torch.where(kept.matmul(conflict) > 0, torch.zeros_like(taken), taken)
                if bool((before == kept).all()):
                    break
        return kept

    @staticmethod
    def symbolic(g: Any, conflict: Any, taken: Any) -> Any:
        # without a type the exporter prints a warning of its own, past Python's
        return g.op(f"{DOMAIN}::SetNms", conflict, taken).setType(compat.tensor_type(torch.float32, 3))


def set_nms(conflict: torch.Tensor, taken: torch.Tensor) -> torch.Tensor:
    """Which boxes are left where each suppresses others, if it is left itself.

    Args:
        conflict: (N, K, K) float32, 1 where the box of the row suppresses that of the column, else 0; none suppresses
            one that suppresses it, directly or by way of others.
        taken: (N, 1, K) float32, 1 for the boxes that take part, else 0.

    Returns:
        (N, 1, K) float32, 1 for what is left, else 0.
    """
    return _SetNms.apply(conflict, taken)
