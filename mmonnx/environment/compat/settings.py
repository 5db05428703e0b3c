"""Settings of torch that a caller may have made, and what torch can do."""

import importlib
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, Callable, Collection, ContextManager, Iterator, List, Optional, Tuple

import torch

from .versions import TORCH


@contextmanager
def no_autocast() -> Iterator[None]:
    """Switch this thread's automatic mixed precision off, on the CPU and on the GPU."""
    switches: List[Tuple[Callable[[], bool], Callable[[bool], None]]]
    if TORCH >= (2, 4):
        switches = [
            (partial(torch.is_autocast_enabled, device), partial(torch.set_autocast_enabled, device))
            for device in ("cpu", "cuda")
        ]
    else:
        switches = [(torch.is_autocast_enabled, torch.set_autocast_enabled)]
        if hasattr(torch, "is_autocast_cpu_enabled"):  # 1.10 and later
            switches.append((torch.is_autocast_cpu_enabled, torch.set_autocast_cpu_enabled))
    on = [switch for enabled, switch in switches if enabled()]
    for switch in on:
        switch(False)
    try:
        yield
    finally:
        for switch in on:
            switch(True)


def version_of(tensor: torch.Tensor) -> Optional[int]:
    """How often a tensor was written into; None for one that was made in inference mode (1.9 and later)."""
    return None if hasattr(tensor, "is_inference") and tensor.is_inference() else tensor._version


def no_inference_mode() -> ContextManager[Any]:
    """Leave this thread's inference mode (1.9 and later), in which no tensor has a version, for a while."""
    if hasattr(torch, "inference_mode") and torch.is_inference_mode_enabled():
        return torch.inference_mode(False)
    return nullcontext()


@contextmanager
def no_default_device(kept: Collection[str]) -> Iterator[None]:
    """Make this thread's new tensors on the CPU, whatever its default device is (2.0 and later).

    Args:
        kept: the types of devices that stay the default ones.
    """
    if TORCH < (2, 0):
        yield
        return
    from torch._C import _len_torch_function_stack
    from torch.overrides import _pop_mode, _push_mode
    from torch.utils._device import DeviceContext

    # under any mode torch's functions take other ways, so that the device's is taken out and not answered by a further
    modes = [_pop_mode() for _ in range(_len_torch_function_stack())][::-1]
    left = [mode for mode in modes if not isinstance(mode, DeviceContext) or mode.device.type in kept]
    for mode in left:
        _push_mode(mode)
    try:
        yield
    finally:
        for _ in left:
            _pop_mode()
        for mode in modes:
            _push_mode(mode)


NOT_DETERMINISTIC = (False, False)


def determinism() -> Tuple[bool, bool]:
    """Whether this process's operators have to be deterministic, and are only warned about (1.11 and later)."""
    warns = getattr(torch, "is_deterministic_algorithms_warn_only_enabled", bool)
    return torch.are_deterministic_algorithms_enabled(), warns()


def set_determinism(value: Tuple[bool, bool]) -> None:
    """Set what ``determinism`` tells."""
    kwargs = {"warn_only": value[1]} if TORCH >= (1, 11) else {}
    torch.use_deterministic_algorithms(value[0], **kwargs)


def has_stable_sort() -> bool:
    """Whether ``torch.sort`` can keep the order of equal values (1.9 and later)."""
    return TORCH >= (1, 9)


def know_constructors() -> None:
    """Let torch (2.0 and later) list the functions that a default device is for while they are its own.

    It does so once, at their first use under such a device.
    """
    if TORCH >= (2, 0):
        importlib.import_module("torch.utils._device")._device_constructors()
