"""Seeded random weights that behave like trained ones: normalised activations, scores that spread, detections."""

import re
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Tuple

import torch
from torch import nn

_CLASSIFIERS = re.compile(
    r"(^|[._])(cls_convs\.\d+(?=\.\d+$)|\w*cls|\w*cls_logits|classifier)(\.\d+)?$|^head\.(\w+\.)*(fc|head)$"
)
_REGRESSORS = re.compile(r"(^|[._])(\w*reg|\w*bbox_pred|convs_pred)(\.\d+)?$")
_OFFSETS = re.compile(r"(^|[._])(\w*offset)(_fc\.\d+)?$")
_MAPS = re.compile(r"(^|[._])(conv_logits|deconv2)$")
_SPREAD = 2.5
"""Standard deviation that class logits get: with 80 classes some scores then pass the usual threshold of 0.05."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch inside the block, and put its random state back after it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def calibrate(model: nn.Module, run: Callable[[], Any]) -> None:
    """Scale the random weights of a model by what they do to a real input.

    Layers that move the taps of deformable convolutions, or the bins of poolings, begin as zeros and get weights first.
    The running statistics of the batch norms are taken from the input; then the last layers of the classifiers, of the
    box regressors and of what makes maps (masks, grid points) are scaled so that their outputs spread.

    Args:
        model: in eval mode, which it stays in.
        run: runs the model on a photograph.
    """
    _move(model)
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
        norm.train()
    try:
        with torch.no_grad():
            run()
    finally:
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
            norm.eval()
    # stage by stage: what the RoI heads see depends on the proposals
    for pattern, spread in ((_CLASSIFIERS, _SPREAD), (_REGRESSORS, 0.5), (_MAPS, _SPREAD)):
        _scale(model, pattern, spread, run)


def _move(model: nn.Module) -> None:
    """Let what is moved by nothing be moved by about a pixel: else the offsets of a file would never be compared."""
    for name, module in model.named_modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)) and _OFFSETS.search(name) and not module.weight.any():
            nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)


def _scale(model: nn.Module, pattern: Any, spread: float, run: Callable[[], Any]) -> None:
    layers: Dict[str, nn.Module] = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)) and pattern.search(name)
    }
    seen: Dict[str, List[Tuple[float, int]]] = {name: [] for name in layers}

    def record(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
            if output.numel() > 1:
                seen[name].append((float(output.float().std()), output.numel()))

        return hook

    handles = [module.register_forward_hook(record(name)) for name, module in layers.items()]
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    for name, module in layers.items():
        total = sum(count for _, count in seen[name])
        deviation = sum(value * count for value, count in seen[name]) / total if total else 0.0
        if deviation > 0:
            module.weight.data.mul_(spread / deviation)
            if module.bias is not None:
                module.bias.data.zero_()
