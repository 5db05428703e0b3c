"""The network's raw outputs (``--skip-postprocess``), for every codebase."""

from typing import Any, Callable, Dict, List

import numpy as np
import torch
from torch import nn

from ..environment import inference
from ..runtime import RawOutputs
from .task import to_numpy


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


def raw_predict(module: RawModule, names: List[str], input: torch.Tensor) -> List[RawOutputs]:
    """PyTorch's raw outputs for a batch."""
    with inference(module):
        return [RawOutputs(to_numpy(dict(zip(names, module(input)))))]


def raw_read(outputs: Dict[str, np.ndarray]) -> List[RawOutputs]:
    """The runtime's raw outputs for a batch."""
    return [RawOutputs(dict(outputs))]
