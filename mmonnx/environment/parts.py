"""The modules inside a model that are Python's: hooks and attributes are not for what is compiled."""

from typing import Iterator, Tuple

import torch
from torch import nn


def python_parts(module: nn.Module) -> Iterator[Tuple[str, nn.Module]]:
    """The modules inside one, and itself, by name; none that are compiled, which take no hooks."""
    return ((name, part) for name, part in module.named_modules() if not isinstance(part, torch.jit.ScriptModule))


def innermost_layers(module: nn.Module) -> Iterator[Tuple[str, nn.Module]]:
    """The innermost of these parts that have weights, by name."""
    for name, layer in python_parts(module):
        own = sum(1 for _ in layer.parameters(recurse=False))
        if own and own == sum(1 for _ in layer.parameters()):
            yield name, layer
