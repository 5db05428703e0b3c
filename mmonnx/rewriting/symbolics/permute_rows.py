"""Rows in another order, as an operator of its own, so that ``lowering.sink`` can move it behind heavy work."""

from typing import Any

import torch
from torch.autograd import Function as AutogradFunction

from .functions import DOMAIN, Function, register

PERMUTE, SELECT = "PermuteRows", "SelectRows"
_BODY = """
<domain: "mmonnx", opset_import: ["": {opset}]>
NAME (data, index) => (result)
{
    result = Gather <axis = 0> (data, index)
}
"""
for _name in (PERMUTE, SELECT):
    register(Function(_name, _BODY.replace("NAME", _name)))


class _PermuteRows(AutogradFunction):
    @staticmethod
    def forward(ctx: Any, data: torch.Tensor, index: torch.Tensor, name: str) -> torch.Tensor:
        return data[index]

    @staticmethod
    def symbolic(g: Any, data: Any, index: Any, name: str) -> Any:
        return g.op(f"{DOMAIN}::{name}", data, index).setType(data.type())


def permute_rows(data: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """``data[index]`` for (K, ...) data and a permutation (K,) int64."""
    return _PermuteRows.apply(data, index, PERMUTE)


def select_rows(data: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """``data[index]`` for (K, ...) data and (n,) int64, where n is not much less than K."""
    return _PermuteRows.apply(data, index, SELECT)
