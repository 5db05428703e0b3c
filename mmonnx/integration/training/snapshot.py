"""A copy of the model that is being trained, from which it can be exported while the original stays as it is."""

import copy
import random
from collections import OrderedDict
from contextlib import contextmanager
from typing import Any, Dict, Iterator, Mapping

import numpy as np
import torch
from torch import nn


def snapshot(model: nn.Module, averages: Mapping[str, torch.Tensor]) -> nn.Module:
    """Copy a model to the CPU, in eval mode and single precision, without the hooks that others put on it.

    Args:
        model: the model, without a parallel wrapper; nothing of it changes.
        averages: by name of a weight its average, which the copy gets instead.

    Raises:
        Exception: what copying raises on a part of the model that cannot be copied.
    """
    memo: Dict[int, Any] = {}
    for module in model.modules():
        for name, value in vars(module).items():
            if name.endswith("_hooks") and isinstance(value, dict):
                memo[id(value)] = _hooks_of_torch(value)
            elif isinstance(value, torch.Tensor):
                memo[id(value)] = value.detach().cpu().clone()
    for tensor in list(model.parameters()) + list(model.buffers()):
        # not copied on the GPU first: there may be no room for two
        value = tensor.detach().cpu().clone()
        memo[id(tensor)] = nn.Parameter(value, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else value
    result = copy.deepcopy(model, memo).float().eval()
    for module in result.modules():
        if hasattr(module, "fp16_enabled"):
            module.fp16_enabled = False
    state = result.state_dict()
    for name, average in averages.items():
        state[name].copy_(average.detach())
    return result


def _hooks_of_torch(hooks: Mapping[Any, Any]) -> "OrderedDict[Any, Any]":
    """Those that belong to the model, as weight normalisation's do; others would act on what is outside of the copy."""
    own = ((key, hook) for key, hook in hooks.items() if type(hook).__module__.startswith("torch.nn.utils"))
    return OrderedDict((key, copy.deepcopy(hook)) for key, hook in own)


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Put the random states of Python, NumPy, torch and every GPU in use back at the end."""
    python, numpy = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    try:
        with torch.random.fork_rng(devices=list(devices)):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def averages_of(runner: Any, watcher: Any, epoch_ended: bool) -> Dict[str, torch.Tensor]:
    """The averaged weights, if the runner has a hook of mmcv's or mmdet's that averages them.

    Such a hook keeps them in buffers of the model, swaps them for the weights when an epoch of training has ended, and
    back before the next one.

    Args:
        runner: mmcv's runner.
        watcher: the hook that asks.
        epoch_ended: whether it asks in its ``after_train_epoch``, else in its ``after_train_iter``.

    Returns:
        By name of a weight its average's; empty where nothing is averaged, or the model has the averages now.
    """
    hooks = list(runner.hooks)
    averaging = next((hook for hook in hooks if hasattr(hook, "param_ema_buffer")), None)
    if averaging is None or (epoch_ended and hooks.index(averaging) < hooks.index(watcher)):
        return {}
    model = getattr(runner.model, "module", runner.model)  # of a parallel wrapper
    buffers = dict(model.named_buffers())
    return {name: buffers[average] for name, average in averaging.param_ema_buffer.items()}
