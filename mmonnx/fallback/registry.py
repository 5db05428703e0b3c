"""The table of the operators that the fallback provides: every file of a family fills it by a decorator."""

from typing import Any, Callable, Dict, TypeVar

import torch

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

OPERATORS: Dict[str, Callable[..., Any]] = {}


def operator(function: Kernel) -> Kernel:
    """Register a function under its own name, which is the name of the compiled operator that it stands in for.

    What is registered runs without autograd, as compiled operators do: mmcv pairs forward and backward itself.

    Args:
        function: takes what mmcv passes to the compiled operator, under the same argument names.

    Returns:
        The function as it is registered.

    Raises:
        ValueError: the name is taken.
    """
    name = function.__name__
    if name in OPERATORS:
        raise ValueError(f"operator {name} is registered twice")
    registered: Kernel = torch.no_grad()(function)
    OPERATORS[name] = registered
    return registered
