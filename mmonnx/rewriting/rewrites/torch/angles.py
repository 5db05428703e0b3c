"""Stand-ins for ``torch``'s angles of vectors."""

import math
from typing import Any

import torch

from ..context import ExportContext
from ..registry import rewrite


@rewrite("torch.atan2")
@rewrite("torch.arctan2")
@rewrite("torch.Tensor.atan2")
@rewrite("torch.Tensor.arctan2")
def atan2(context: ExportContext, original: Any, input: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """The angle of (x, y) = (other, input), of nothing (0, 0) too, as 0.

    torch's exporter divides one by the other: it gives no number there, and to the left -pi where torch gives pi. Older
    ones have no symbolic for it. Zeros with a sign are zeros here.
    """
    if not torch.jit.is_tracing():
        return original(input, other)
    y, x = (value if value.is_floating_point() else value.float() for value in (input, other))
    half, nothing = x.new_full((1,), math.pi / 2), x.new_zeros(1)
    beside = x.abs() > 0
    angle = (y / torch.where(beside, x, x.new_ones(1))).atan()
    turned = angle + torch.where(y < 0, -2 * half, 2 * half)
    upright = torch.where(y > 0, half, torch.where(y < 0, -half, nothing))
    return torch.where(beside, torch.where(x < 0, turned, angle), upright)
