"""Inputs that are searched for: those that come to the bounds of a model's activations.

A ReLU6 that is one of 5.4 in a file gives the same answers on every photograph that never brings it so far.
"""

from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any, Dict, Iterator, Optional, Tuple

import torch
from torch import nn

from ..environment import gradients
from ..loading import Task
from .outcome import Case

_BOUNDS = {"Hardswish": 3.0, "Hardsigmoid": 3.0, "HSwish": 3.0, "HSigmoid": 3.0}
"""Where activations are flat from, by the names of their classes; MMCV has its own for old versions of PyTorch."""
_BEYOND = 1.3
"""How far beyond its bound a value is led, as a multiple: no further, or the few that are easily moved get all."""
_STEPS = 16
_STEP = 0.3
"""The length of a step, in deviations of the picture."""


def bounds_of(module: nn.Module) -> Dict[str, float]:
    """The greatest value that each bounded activation lets pass, by its path."""
    found = {}
    for name, layer in module.named_modules():
        classes = [base.__name__ for base in type(layer).__mro__]
        if isinstance(layer, nn.Hardtanh):  # ReLU6 is one
            found[name] = float(layer.max_val)
        elif not _BOUNDS.keys().isdisjoint(classes):
            found[name] = next(_BOUNDS[one] for one in classes if one in _BOUNDS)
    return found


def to_the_bounds(task: Task, case: Case) -> Optional[Tuple[Case, int]]:
    """A case whose picture was changed, step by step, so that as many activations as can be come to their bounds.

    Returns:
        The case, and how many come to them; None where the model has no such activations, or no gradients.
    """
    bounds = bounds_of(task.module)
    images = [name for name, value in case.feeds.items() if value.dim() == 4 and value.is_floating_point()]
    if not bounds or len(images) != 1:
        return None
    (name,) = images
    best: Optional[Tuple[Case, int]] = None
    value = case.feeds[name]
    length = _STEP * value.std()
    for _ in range(_STEPS):
        value = value.detach().requires_grad_()
        current = replace(case, feeds={**case.feeds, name: value})
        with gradients(task.module), _greatest(task.module, bounds) as greatest, suppress(Exception):
            task.predict(current.feeds)  # what comes behind may take no tensors with gradients
        reached = sum(float(greatest[one].detach()) >= bounds[one] for one in greatest)
        if best is None or reached > best[1]:
            best = replace(case, feeds={**case.feeds, name: value.detach()}), reached
        slope = None if reached == len(bounds) else _slope(greatest, bounds, value)
        if slope is None:
            break
        value = value + slope * length
    return best


def _slope(greatest: Dict[str, torch.Tensor], bounds: Dict[str, float], value: torch.Tensor) -> Optional[torch.Tensor]:
    """Where to the picture has to go for greater values, of deviation 1; None for nowhere."""
    aims = [greatest[one].clamp(max=_BEYOND * bounds[one]) / bounds[one] for one in greatest]
    aims = [aim for aim in aims if aim.requires_grad]
    if not aims:
        return None
    try:
        (slope,) = torch.autograd.grad(torch.stack(aims).sum(), value)
    except Exception:  # an operator that is made for inference alone raises whatever it likes
        return None
    deviation = slope.std()
    return slope / deviation if torch.isfinite(deviation) and deviation > 0 else None


@contextmanager
def _greatest(module: nn.Module, bounds: Dict[str, float]) -> Iterator[Dict[str, torch.Tensor]]:
    """The greatest value that each of these activations gets inside the block."""
    seen: Dict[str, torch.Tensor] = {}

    def note(name: str) -> Any:
        def hook(layer: nn.Module, inputs: Any) -> None:
            greatest = inputs[0].flatten().max(0)[0]
            seen[name] = torch.maximum(seen[name], greatest) if name in seen else greatest

        return hook

    with ExitStack() as stack:
        for name, layer in module.named_modules():
            if name in bounds:
                stack.callback(layer.register_forward_pre_hook(note(name)).remove)
        yield seen
