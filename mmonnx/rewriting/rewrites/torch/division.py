"""Stand-ins for ``torch``'s division that rounds down: torch's exporter rounds it to zero."""

from typing import Any

import torch

from ..context import ExportContext
from ..registry import rewrite

_SIZE = {"aten::size", "aten::numel", "aten::len"}
_PASSING = {"prim::NumToTensor", "aten::Int", "aten::add", "aten::mul", "aten::floor_divide"}
"""Operators of which no result is negative if no input is."""


@rewrite("torch.floor_divide")
def floor_divide(context: ExportContext, original: Any, input: Any, other: Any) -> torch.Tensor:
    """Of whole numbers what divides is divided, of others the quotient is rounded; sizes are as they were."""
    if not torch.jit.is_tracing() or _never_negative(input) and _never_negative(other):
        return original(input, other)
    if any(torch.as_tensor(one).is_floating_point() for one in (input, other)):
        return torch.floor(torch.true_divide(input, other))
    return original(input - torch.remainder(torch.as_tensor(input), other), other)


@rewrite("torch.Tensor.floor_divide")
def tensor_floor_divide(context: ExportContext, original: Any, self: torch.Tensor, other: Any) -> torch.Tensor:
    """As :func:`floor_divide`."""
    return torch.floor_divide(self, other)


@rewrite("torch.Tensor.__floordiv__")
def floordiv(context: ExportContext, original: Any, self: torch.Tensor, other: Any) -> torch.Tensor:
    """As :func:`floor_divide`."""
    return torch.floor_divide(self, other) if torch.jit.is_tracing() else original(self, other)


@rewrite("torch.Tensor.__rfloordiv__")
def rfloordiv(context: ExportContext, original: Any, self: torch.Tensor, other: Any) -> torch.Tensor:
    """As :func:`floor_divide`, of the other one by this."""
    return torch.floor_divide(torch.as_tensor(other), self) if torch.jit.is_tracing() else original(self, other)


def _never_negative(value: Any) -> bool:
    """Whether a number or a tensor of a trace is made of sizes and of constants that are none of them negative."""
    if isinstance(value, (int, float)):
        return value >= 0
    return not value.is_floating_point() and _made_of_sizes(torch._C._get_value_trace(value))


def _made_of_sizes(value: Any) -> bool:
    node = value.node()
    if node.kind() in _SIZE:
        return True
    if node.kind() == "prim::Constant":
        constant = value.toIValue()
        return bool(torch.as_tensor(constant).ge(0).all()) if isinstance(constant, (int, float, torch.Tensor)) else True
    return node.kind() in _PASSING and all(map(_made_of_sizes, node.inputs()))
