"""The network's raw outputs (``--skip-postprocess``), for every codebase."""

from typing import Any, Callable, List

import torch
from torch import nn

from ..environment import inference
from ..runtime import RawOutputs
from .task import Task, to_numpy


def flatten(value: Any) -> List[torch.Tensor]:
    """The tensors of a nest of tuples, lists and dicts, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [tensor for item in value for tensor in flatten(item)]
    return []


class RawModule(nn.Module):
    """Runs ``forward_raw`` of a model: (N, 3, H, W) -> its tensors, as a tuple."""

    def __init__(self, model: nn.Module, forward_raw: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.model = model
        self._forward_raw = forward_raw

    def forward(self, input: torch.Tensor) -> Any:
        """The raw outputs, flat."""
        return tuple(flatten(self._forward_raw(input)))


def raw_names(module: RawModule, sample: torch.Tensor) -> List[str]:
    """``output_0``, ``output_1``, ... as many as the model has."""
    with inference(module):
        return [f"output_{number}" for number in range(len(module(sample)))]


def give_raw(task: Task, module: RawModule, names: List[str]) -> None:
    """Let a task give what a module gives, under these names, as it is."""
    task.module, task.output_names = module, names
    task.predict = lambda feeds: _predict(module, names, feeds["input"])
    task.read = lambda outputs: [RawOutputs(dict(outputs))]


def _predict(module: RawModule, names: List[str], input: torch.Tensor) -> List[RawOutputs]:
    with inference(module):
        return [RawOutputs(to_numpy(dict(zip(names, module(input)))))]
