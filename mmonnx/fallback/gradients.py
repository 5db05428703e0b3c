"""Backward functions for the operators that are written in plain torch."""

from typing import Callable, Sequence, Tuple

import torch


def gradients(
    function: Callable[..., torch.Tensor], inputs: Sequence[torch.Tensor], grad_output: torch.Tensor
) -> Tuple[torch.Tensor, ...]:
    """Run a function again with autograd on, and back.

    Args:
        function: from the inputs to one tensor.
        inputs: floating point tensors.
        grad_output: of the shape of the function's result.

    Returns:
        The gradient of each input.
    """
    with torch.enable_grad():
        leaves = [tensor.detach().requires_grad_() for tensor in inputs]
        return torch.autograd.grad(function(*leaves), leaves, grad_output)
