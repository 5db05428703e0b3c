"""How the layers of mmedit's models get random weights that show something."""

from contextlib import ExitStack
from typing import Any, Callable, List, Tuple

import torch
from torch import nn

from ...loading import OFFSETS

RULES = (OFFSETS,)
"""In the order in which a model runs them, by the names that mmedit gives them."""
_SPREAD = 0.3
"""The deviation of an image's values, of which nearly all then lie between black and white."""
_ASLEEP = 0.5
"""The share of the deviation that keeps a signal's size, below which a layer's weights are made greater."""
_LAYERS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)


def settle(model: nn.Module, run: Callable[[], Any]) -> None:
    """Let the last layer give values that spread: what is bounded behind it would be black and white else.

    Args:
        model: of random weights, is changed.
        run: runs the model on photographs.
    """
    last: List[Tuple[Any, torch.Tensor]] = []

    def look(layer: nn.Module, inputs: Any, output: Any) -> None:
        values = output[0] if isinstance(output, tuple) else output  # partial convolutions give a mask beside them
        last[:] = [(layer, values.detach())]

    with ExitStack() as stack:
        for layer in model.modules():
            if isinstance(layer, _LAYERS):
                stack.callback(layer.register_forward_hook(look).remove)
        run()
    for layer, output in last:
        factor = _SPREAD / max(float(output.std()), 1e-12)
        for parameter in layer.parameters():
            parameter.data.mul_(factor)


def wake(model: nn.Module) -> None:
    """Make weights greater that upstream begins its trainings with small, as residual branches and last layers.

    Their branches would add a thousandth of a signal, and an image of one grey value would be right within any
    tolerance.

    Args:
        model: of random weights, is changed.
    """
    for layer in model.modules():
        # what spectral norms work out of a weight is none of the layer's own
        weight = layer._parameters.get("weight") if isinstance(layer, _LAYERS) else None
        if weight is None or weight.numel() < 2:
            continue
        fan_in = weight.numel() // weight.shape[1 if isinstance(layer, nn.ConvTranspose2d) else 0]
        with torch.no_grad():
            wanted, own = fan_in**-0.5, float(weight.std())
            if 0 < own < _ASLEEP * wanted:
                weight.mul_(wanted / own)
