"""Modules with a form for deployment: branches of convolutions and norms while they are trained, one layer after it.

RepVGG, MobileOne, RepMLP and their like bring a method that makes the second form of the first. A file gets the second
one, and is compared with the model as it was given. The switch is of a copy, so that nobody's own model changes.
"""

import copy
import inspect
import threading
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import torch
from torch import nn

from ..environment import inference
from ..support import type_and_line
from .structure import named_tensors
from .task import Task

SWITCHES = ("switch_to_deploy", "reparameterize", "merge_kernel", "local_inject")
"""What such methods are called by those who write these modules; they take no arguments, and change their module."""
_NEAR = 1e-4
"""How far the answers of the two forms may be apart, as a share of the greatest: they round otherwise."""


class Deployed(NamedTuple):
    """A task as it is to be traced.

    Attributes:
        task: with copies of the modules that are switched; it shares the weights of all others with the task.
        switched: the modules that are in their form for deployment, by path.
        notes: why others are not, a line each.
    """

    task: Task
    switched: List[str]
    notes: List[str]


class _Call(NamedTuple):
    inputs: Any
    output: Dict[str, torch.Tensor]


def deployed(task: Task) -> Deployed:
    """A task with its model's modules in their form for deployment, as far as they answer the same in it."""
    units = _units(task.module)
    if not units:
        return Deployed(task, [], [])
    memo: Dict[int, Any] = {}
    switched, notes = [], []
    calls = _calls(task, list(units.values()))
    for path, unit in units.items():
        if unit not in calls:
            continue
        called = path[len("model.") :] or type(unit).__name__
        try:
            twin = _switched(unit)
            if same_weights(unit, twin):
                continue
            reason = _difference(twin, calls[unit])
        except Exception as error:  # the module's own code raises whatever it raises
            reason = type_and_line(error)[:200]
        if reason:
            method = f"{type(unit).__name__}.{switch_of(unit)}"
            notes.append(f"{called} is exported in its form for training: after {method}, {reason}")
        else:
            memo[id(unit)] = twin
            switched.append(called)
    if not switched:
        return Deployed(task, [], notes)
    memo.update({id(tensor): tensor for tensor in (*task.module.parameters(), *task.module.buffers())})
    try:
        module = copy.deepcopy(task.module, memo)
    except Exception as error:  # of something that the model holds
        reason = type_and_line(error)[:200]
        return Deployed(task, [], [*notes, f"the model is exported in its form for training: no copy of it ({reason})"])
    return Deployed(replace(task, module=module), switched, notes)


def switch_of(module: nn.Module) -> Optional[str]:
    """The name of the method that switches a module; None if it has none."""
    return next((name for name in SWITCHES if _takes_nothing(getattr(type(module), name, None))), None)


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    """Whether two modules have the same weights, by the same names."""
    own, theirs = one.state_dict(), other.state_dict()
    return own.keys() == theirs.keys() and all(torch.equal(own[key], theirs[key]) for key in own)


def _takes_nothing(method: Any) -> bool:
    """Whether it is a method that can be called without arguments."""
    if not inspect.isfunction(method):
        return False
    others = list(inspect.signature(method).parameters.values())[1:]
    return all(one.default is not one.empty or one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in others)


def _units(module: nn.Module) -> Dict[str, nn.Module]:
    """The outermost modules that have such a method, by path, but for those that are switched."""
    found: Dict[str, nn.Module] = {}
    for path, part in module.named_modules():
        inside = any(path.startswith(f"{other}.") for other in found)
        if switch_of(part) and not inside and not is_switched(part):
            found[path] = part
    return found


def is_switched(module: nn.Module) -> bool:
    """Whether a module, with all inside of it, says of itself that it is in its form for deployment."""
    flags = [vars(part)["deploy"] for part in module.modules() if "deploy" in vars(part)]
    return bool(flags) and all(flags)


def _calls(task: Task, units: Sequence[nn.Module]) -> Dict[nn.Module, _Call]:
    """What each unit is called with first, of the task's sample inputs, and what it gives then."""
    calls: Dict[nn.Module, _Call] = {}
    thread = threading.get_ident()

    def record(unit: nn.Module, inputs: Any, output: Any) -> None:
        if threading.get_ident() == thread and unit not in calls:
            calls[unit] = _Call(copy.deepcopy(inputs), copy.deepcopy(named_tensors(output, "output")))

    with ExitStack() as stack:
        for unit in units:
            stack.callback(unit.register_forward_hook(record).remove)
        task.predict(task.inputs)
    return calls


def _switched(unit: nn.Module) -> nn.Module:
    """A copy of a module in its form for deployment; it raises whatever the module's own code raises."""
    twin = copy.deepcopy(unit)
    for part in list(twin.modules()):  # the outer ones first, which switch their own parts in their own way
        name = switch_of(part)
        if name and (part is twin or getattr(part, "deploy", True) is False):
            with inference(part):
                getattr(part, name)()
    twin.train(False)  # which its new layers are not yet; upstream's eval() may return nothing
    return twin


def _difference(twin: nn.Module, call: _Call) -> Optional[str]:
    """In what a module's answers differ from those that are expected, but for roundings; None for nothing."""
    with inference(twin):
        found = named_tensors(twin(*call.inputs), "output")
    if [value.shape for value in found.values()] != [value.shape for value in call.output.values()]:
        return "its answers are of another size"
    for name, value in found.items():
        expected = call.output[name]
        share = float((value - expected).abs().max() / expected.abs().max().clamp(min=1e-12)) if value.numel() else 0.0
        if not share <= _NEAR:
            return f"its answers differ by {share:.1g} of the greatest"
    return None
