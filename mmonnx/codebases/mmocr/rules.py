"""How the layers of mmocr's models get random weights that read or find something, by the names that mmocr gives."""

import re
from typing import Any, Callable, List, Optional

import torch
from torch import nn

from ...loading import CONTEXT, OFFSETS, Rule

_LOGITS = 2.5
"""Standard deviation of logits of characters: the best one is far from most others, and another at the next step."""
_MAPS = 2.0
"""The same of maps, which are probabilities then, some of them on either side of thresholds."""
_OFTEN = 0.6
"""How many deviations a text's end, or what is no character, is likelier than each character."""
_ROUNDS = 2
"""What is read depends on what was read before."""
_CHOOSING = re.compile(
    r"^(encoder\.decoder\.cls|decoder\.(decoder|decoder\.\d+\.embedding|prediction|classifier|cls)|fuser\.cls|head\.head\.\d+)$"
    r"|^bbox_head\.(node_cls|edge_cls|gcn\.classifier\.2)$"
)
"""Layers that give logits of characters, in the order in which a recognizer runs them; or of texts and of pairs."""

_OTHERS = {"textsnake": (4, 0.3, 6.0), "pan": (2, 0.1, 0.0), "drrg": (4, 0.5, 8.0)}
"""The first channel, factor and bias of radii or heights, in pixels, and of embeddings, near within a text."""

RULES = (
    OFFSETS,
    CONTEXT,
    Rule(re.compile(r"bbox_head\.(out_conv|out_conv_cls|binarize\.6|threshold\.6)$"), _MAPS),
)
"""In the order in which a model runs them."""


def settle_maps(head: Any, how: str) -> None:
    """Let what is no probability in a detector's maps be as large as what its post-processing reads of it.

    Args:
        head: of random weights, is changed.
        how: see ``runtime.texts``.
    """
    first, factor, bias = _OTHERS.get(how, (None, 1.0, 0.0))
    if first is None:
        return
    with torch.no_grad():
        head.out_conv.weight[first:] *= factor
        head.out_conv.bias[first:] = bias


def settle(model: nn.Module, likely: Optional[int], run: Callable[[], Any]) -> None:
    """Let recognizers read texts of several characters, and of several lengths; let texts be of several classes.

    Random weights would choose one and the same character at all steps.

    Args:
        model: of random weights, is changed.
        likely: the class that ends a text, or is no character; None for none.
        run: runs the model on photographs.
    """
    layers = [(name, layer) for name, layer in model.named_modules() if _CHOOSING.search(name)]
    for _ in range(_ROUNDS):
        for _, layer in layers:
            if isinstance(layer, (nn.Linear, nn.Conv2d)):
                _spread(layer, likely, run)


def _spread(layer: Any, likely: Optional[int], run: Callable[[], Any]) -> None:
    """Scale a layer so that each class is as often the best one as any other."""
    seen: List[torch.Tensor] = []

    def look(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        values = output.detach() if isinstance(module, nn.Linear) else output.detach().movedim(1, -1)
        seen.append(values.reshape(-1, values.shape[-1]))

    handle = layer.register_forward_hook(look)
    try:
        run()
    finally:
        handle.remove()
    if not seen:  # a part that is not asked for
        return
    values = torch.cat(seen)
    mean = values.mean(0)
    deviation = float((values - mean).std())
    if not deviation > 0:
        return
    factor = _LOGITS / deviation
    with torch.no_grad():
        layer.weight.mul_(factor)
        layer.bias.copy_((layer.bias - mean) * factor)
        if likely is not None and likely < len(layer.bias):
            layer.bias[likely] += _OFTEN * _LOGITS
