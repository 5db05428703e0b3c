"""Corner pooling: the running maximum from one side (what older versions of mmcv call)."""

import torch

from .gradients import gradients
from .registry import operator


def _running_max(input: torch.Tensor, axis: int, reverse: bool) -> torch.Tensor:
    """(N, C, H, W) -> the same shape, the maximum of what has been passed along the axis."""
    if not reverse:
        return input.cummax(axis)[0]
    return input.flip(axis).cummax(axis)[0].flip(axis)


def _register(name: str, axis: int, reverse: bool) -> None:
    def forward(input: torch.Tensor) -> torch.Tensor:
        return _running_max(input, axis, reverse)

    def backward(input: torch.Tensor, grad_output: torch.Tensor) -> torch.Tensor:
        return gradients(lambda tensor: _running_max(tensor, axis, reverse), (input,), grad_output)[0]

    forward.__name__, backward.__name__ = f"{name}_pool_forward", f"{name}_pool_backward"
    operator(forward)
    operator(backward)


_register("top", 2, True)
_register("bottom", 2, False)
_register("left", 3, True)
_register("right", 3, False)
