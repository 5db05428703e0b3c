"""Recurrent layers a step at a time: a decoder's next input is what it has chosen before."""

from typing import Any, List, Sequence, Tuple

import torch
from torch import nn
from torch.nn import functional

State = List[Tuple[torch.Tensor, torch.Tensor]]
"""Hidden and cell state (N, H) of each layer; of a GRU the hidden one twice."""
_GATES = {"LSTM": 4, "GRU": 3}


def takes_steps(layer: Any) -> bool:
    """Whether a layer can be run a step at a time: nothing goes backwards, and nothing is projected."""
    known = isinstance(layer, (nn.LSTM, nn.GRU)) and layer.mode in _GATES
    return known and not layer.bidirectional and not getattr(layer, "proj_size", 0) and bool(layer.bias)


def at_rest(layer: Any, input: torch.Tensor) -> State:
    """The state before the first step of (N, C) inputs."""
    nothing = input.new_zeros((input.shape[0], layer.hidden_size))
    return [(nothing, nothing)] * int(layer.num_layers)


def step(layer: Any, input: torch.Tensor, state: State) -> Tuple[torch.Tensor, State]:
    """One step of an ``nn.LSTM`` or ``nn.GRU``: (N, C) to (N, H), and the next state."""
    following = []
    for number, (hidden, cell) in enumerate(state):
        weights = [getattr(layer, f"{name}_l{number}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        hidden, cell = cell_step(input, hidden, cell, weights)
        following.append((hidden, cell))
        input = hidden
    return input, following


def cell_step(
    input: torch.Tensor, hidden: torch.Tensor, cell: torch.Tensor, weights: Sequence[torch.Tensor]
) -> Tuple[torch.Tensor, torch.Tensor]:
    """The next hidden and cell state of one layer, of an LSTM by four gates, or of a GRU by three.

    Args:
        input: (N, C).
        hidden, cell: (N, H).
        weights: ``weight_ih``, ``weight_hh``, ``bias_ih``, ``bias_hh``.
    """
    ours = functional.linear(input, weights[0], weights[2])
    theirs = functional.linear(hidden, weights[1], weights[3])
    if int(weights[1].shape[0]) == _GATES["GRU"] * int(weights[1].shape[1]):
        (reset, update, new), (reset_h, update_h, new_h) = ours.chunk(3, 1), theirs.chunk(3, 1)
        update = torch.sigmoid(update + update_h)
        found = torch.tanh(new + torch.sigmoid(reset + reset_h) * new_h)
        found = (1 - update) * found + update * hidden
        return found, found
    entry, forget, new, exit = (ours + theirs).chunk(4, 1)
    cell = torch.sigmoid(forget) * cell + torch.sigmoid(entry) * torch.tanh(new)
    return torch.sigmoid(exit) * torch.tanh(cell), cell


def cell_weights(layer: Any) -> List[torch.Tensor]:
    """Those of an ``nn.LSTMCell`` or ``nn.GRUCell``, for ``cell_step``."""
    return [layer.weight_ih, layer.weight_hh, layer.bias_ih, layer.bias_hh]
