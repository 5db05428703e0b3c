"""How the layers of mmedit's models get random weights that show something."""

import torch
from torch import nn

from ...loading import OFFSETS

RULES = (OFFSETS,)
"""In the order in which a model runs them, by the names that mmedit gives them."""
_ASLEEP = 0.5
"""The share of the deviation that keeps a signal's size, below which a layer's weights are made greater."""
_LAYERS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)


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
