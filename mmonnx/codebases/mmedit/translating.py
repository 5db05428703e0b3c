"""Synthesizers: a picture of one domain in, one of the other domain out, in RGB of -1 to 1."""

from contextlib import contextmanager
from functools import partial
from typing import Any, Iterator, List

import torch
from torch import nn
from torch.nn import functional

from .family import Family, inherits

_CYCLE = "synthesizers.cycle_gan.CycleGAN"


class Translating(Family):
    """Pix2Pix and CycleGAN, in the direction of their tests.

    Upstream has them in training mode in its tests: batch norms take the statistics of the picture itself. Each picture
    is by itself here too. Dropout is left out, which makes another image of the same picture each time.
    """

    name = "synthesizer"
    classes = ("synthesizers.pix2pix.Pix2Pix", _CYCLE)
    norm = {"mean": [127.5] * 3, "std": [127.5] * 3, "to_rgb": True}
    low, high = -1.0, 1.0

    def key(self, model: Any) -> str:
        """See ``Family.key``."""
        # the direction is of trainings: what they call A is the picture that upstream reads as B where it is b2a
        return "img_a" if (model.direction == "a2b") == _makes_b(model) else "img_b"

    def divisor(self, model: Any) -> int:
        """See ``Family.divisor``; a U-Net halves its maps as often as it has levels."""
        strided = [
            layer for layer in _generator(model).modules() if isinstance(layer, nn.Conv2d) and layer.stride[0] > 1
        ]
        return int(2 ** len(strided))

    def run(self, model: Any, image: torch.Tensor, **beside: torch.Tensor) -> Any:
        """See ``Family.run``."""
        generator = _generator(model)
        with _norms_by_picture(generator):
            return (generator(image),)

    def predict(self, model: Any, image: torch.Tensor, **beside: torch.Tensor) -> torch.Tensor:
        """See ``Family.predict``."""
        name = "fake_b" if _makes_b(model) else "fake_a"
        meta = [{"img_a_path": "", "img_b_path": ""}]
        with _as_tested(model):
            found: List[Any] = [model.forward_test(one[None], one[None], meta)[name] for one in image]
        return torch.cat(found)


def _makes_b(model: Any) -> bool:
    """Whether a test makes pictures of domain B; a CycleGAN whose tests show both directions says no more than one."""
    if not inherits(model, _CYCLE):
        return True
    return bool(getattr(model, "test_direction", model.direction) == "a2b")


def _generator(model: Any) -> nn.Module:
    """What makes the picture of a test."""
    if not inherits(model, _CYCLE):
        return model.generator
    return model.generators["a" if _makes_b(model) else "b"]


@contextmanager
def _norms_by_picture(model: nn.Module) -> Iterator[None]:
    """Let batch norms take the statistics of each picture by itself inside the block."""
    norms = [layer for layer in model.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.forward = partial(_by_picture, norm)
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def _by_picture(norm: Any, values: torch.Tensor) -> torch.Tensor:
    return functional.instance_norm(values, None, None, norm.weight, norm.bias, True, 0.0, norm.eps)


@contextmanager
def _as_tested(model: nn.Module) -> Iterator[None]:
    """Let a model train inside the block, as its tests do, without dropout, and forget what it learns of that."""
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Dropout)]
    shares = [layer.p for layer in layers]
    norms = [layer for layer in model.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    seen = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    try:
        for layer in layers:
            layer.p = 0.0
        for norm in norms:
            norm.momentum = 0.0
            norm.num_batches_tracked = None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone()
        yield
    finally:
        model.eval()
        for layer, share in zip(layers, shares):
            layer.p = share
        for norm, (momentum, count) in zip(norms, seen):
            norm.momentum, norm.num_batches_tracked = momentum, count
