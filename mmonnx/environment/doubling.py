"""PyTorch's own inference as it is when its layers do not round: in float64."""

import copy
import threading
from contextlib import ExitStack, contextmanager
from typing import Any, Dict, Iterator

import torch
from torch import nn

from .parts import innermost_layers


@contextmanager
def layers_in_double(module: nn.Module) -> Iterator[None]:
    """Let each layer with weights compute in float64 for this thread inside the block; what is between follows.

    The weights stay as they are, for other threads: a copy of a layer computes, and is gone after it. A model may not
    run so: some of upstream's functions take float32 alone.
    """
    thread = threading.get_ident()
    given: Dict[nn.Module, Any] = {}

    def enter(layer: nn.Module, inputs: Any) -> Any:
        if threading.get_ident() != thread:
            return None
        given[layer] = inputs
        return tuple(_cast(value, torch.float32) for value in inputs)  # the layer itself computes as well

    def leave(layer: nn.Module, inputs: Any, output: Any) -> Any:
        if threading.get_ident() != thread:
            return None
        twin = copy.deepcopy(layer).double()
        twin._forward_pre_hooks.clear()
        twin._forward_hooks.clear()
        return twin(*(to_double(value) for value in given.pop(layer)))

    with ExitStack() as stack:
        for _, layer in innermost_layers(module):
            stack.callback(layer.register_forward_pre_hook(enter).remove)
            stack.callback(layer.register_forward_hook(leave).remove)
        yield


def to_double(value: Any) -> Any:
    """A tensor of floats in float64; anything else as it is."""
    return _cast(value, torch.float64)


def _cast(value: Any, dtype: torch.dtype) -> Any:
    return value.to(dtype) if isinstance(value, torch.Tensor) and value.is_floating_point() else value
