"""The settings of torch that a model is loaded, run and traced with, whatever those of the caller are."""

import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, Callable, Iterator, List, Optional, Set, Tuple

import torch
from torch import nn

from . import compat
from .parts import python_parts


@dataclass(frozen=True)
class _Setting:
    """A setting that all threads of a process share."""

    get: Callable[[], Any]
    put: Callable[[Any], None]


_DTYPE = _Setting(torch.get_default_dtype, torch.set_default_dtype)
_DETERMINISM = _Setting(compat.determinism, compat.set_determinism)
_lock = threading.RLock()
_blocks = 0
_changed: List[Tuple[_Setting, Any, Any]] = []
"""What the first of the open blocks has changed: the setting, what it was, and what it is."""


class _Here(threading.local):
    """Whether this thread wants gradients."""

    gradients = False


_here = _Here()


@contextmanager
def ordinary(module: Optional[nn.Module] = None) -> Iterator[None]:
    """Run the block as in a process that has just been started; afterwards all is as it was.

    Automatic mixed precision and inference mode are off, new tensors are float32 and on the CPU, and no operator is
    refused for not being deterministic. But the caller's default type stays for a ``module`` that has tensors of that
    type, or none that are floats, and its default device for one that has tensors there: it was made for that.

    What is the process's own is set by the first thread that is inside, and put back by the last one.
    """
    with ExitStack() as undo:
        for scope in (compat.no_autocast(), compat.no_inference_mode(), compat.no_default_device(_devices(module))):
            undo.enter_context(scope)
        _enter(module)
        undo.callback(_leave)
        yield


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Have each module in the mode that it was in, training or not, at the end of the block."""
    # what torch.jit has frozen has no mode
    modes = [(module, module.training) for module in model.modules() if hasattr(module, "training")]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def inference(module: nn.Module) -> Iterator[None]:
    """Run a module in ``ordinary`` surroundings, and without gradients but in a :func:`gradients` block."""
    with ordinary(module), torch.set_grad_enabled(_here.gradients):
        yield


@contextmanager
def gradients(module: nn.Module) -> Iterator[None]:
    """Let a module that this thread runs record gradients inside the block, in :func:`inference` too.

    And where its own code keeps them off by a ``torch.no_grad`` block, as mmedit's does at inference: each part of it
    turns them on again, until the end of that.
    """
    before, thread = _here.gradients, threading.get_ident()

    def record(part: nn.Module, inputs: Any) -> None:
        if threading.get_ident() == thread:
            torch.set_grad_enabled(True)

    with ExitStack() as undo:
        undo.enter_context(torch.enable_grad())
        for _, part in python_parts(module):
            undo.callback(part.register_forward_pre_hook(record).remove)
        undo.callback(setattr, _here, "gradients", before)
        _here.gradients = True
        yield


@contextmanager
def untraced() -> Iterator[None]:
    """Keep a computation out of the trace that this thread makes, if it makes one.

    There it would be slow, nodes that write in place break the exporter, and what only asks would be a part of it.
    """
    state = torch._C._get_tracing_state()
    torch._C._set_tracing_state(None)
    try:
        yield
    finally:
        torch._C._set_tracing_state(state)


def _enter(module: Optional[nn.Module]) -> None:
    global _blocks
    with _lock:
        if not _blocks:
            wanted = [(_DETERMINISM, compat.NOT_DETERMINISTIC)]
            types = _types(module) if module is not None else {torch.float32}
            if types and torch.get_default_dtype() not in types:
                wanted.append((_DTYPE, torch.float32))
            for setting, value in wanted:
                before = setting.get()
                if before != value:
                    setting.put(value)
                    _changed.append((setting, before, value))
        _blocks += 1


def _leave() -> None:
    global _blocks
    with _lock:
        _blocks -= 1
        while not _blocks and _changed:
            setting, before, ours = _changed.pop()
            if setting.get() == ours:  # else somebody has set it since
                setting.put(before)


def _tensors(module: Optional[nn.Module]) -> Iterator[torch.Tensor]:
    return chain(module.parameters(), module.buffers()) if module is not None else iter(())


def _types(module: Optional[nn.Module]) -> Set[torch.dtype]:
    """The types of a module's tensors that are floats."""
    return {tensor.dtype for tensor in _tensors(module) if tensor.is_floating_point()}


def _devices(module: Optional[nn.Module]) -> Set[str]:
    """The types of the devices that a module's tensors are on."""
    return {tensor.device.type for tensor in _tensors(module)}
