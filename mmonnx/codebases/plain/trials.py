"""Which other inputs than the given ones a model of which nothing is known takes: it is asked."""

import time
from typing import Any, Callable, Dict, List, Tuple

import torch
from torch import nn

from ...environment import layers_round_otherwise, rounding_noise
from ...loading import Feeds, refusal
from .distributions import KINDS, Span, spans, values

Run = Callable[[Feeds], Any]
_SECONDS = 0.35
"""For how long a model may be tried on all kinds of values; of a slower one, fewer are."""
_RUNS = 4
"""How often a model runs for one kind: here, when it rounds otherwise, and on both sides of the verification."""
_MOST_TRIES = 64
_MOST_TRIES = 64
_STEADY = 3e-5
"""How much of an output's range PyTorch's own answers may differ by where they are rounded otherwise."""


class Trial:
    """Tries a model on other inputs.

    It takes those on which it runs, on which it gives finite numbers wherever it does so on the sample, and on which
    its answer depends on no rounding: where it is a matter of ties, say, no file can give the same.

    Args:
        feeds: the sample.
        run: runs the model; its outputs by name.
        module: the model.
    """

    def __init__(self, feeds: Feeds, run: Run, module: nn.Module) -> None:
        self.feeds = feeds
        self._run, self._module = run, module
        outputs, seconds = _timed(run, feeds)
        if seconds < _SECONDS:
            seconds = min(seconds, _timed(run, feeds)[1])
        self.kinds = max(1, min(len(KINDS), int(_SECONDS / _RUNS / max(seconds, 1e-9))))
        self._finite = {name: bool(torch.isfinite(value).all()) for name, value in outputs.items()}
        self._unsteady = self._moved(feeds, outputs)
        tries = int(min(_SECONDS / max(seconds, 1e-9), _MOST_TRIES)) if self.quick else 0
        self._spans = spans(feeds, self._tables(), lambda changed: refusal(lambda: run(changed)) is None, tries)
        self._ways: Dict[str, int] = {}

    @property
    def quick(self) -> bool:
        """Whether the model is so fast that all kinds of values are tried, at several sizes."""
        return self.kinds == len(KINDS)

    def span(self, name: str) -> Span:
        """The whole numbers that the model takes in an input."""
        return self._spans.get(name, Span(0, 0))

    def way(self, name: str) -> int:
        """Which of the ways to make other values the model takes in an input; the last of them if none."""
        if name not in self._ways:
            given = self.feeds[name]
            ways = values(KINDS[0], given, given.shape, self.span(name), torch.Generator().manual_seed(0))
            good = (number for number, way in enumerate(ways) if self.takes({**self.feeds, name: way}))
            self._ways[name] = next(good, len(ways) - 1)
        return self._ways[name]

    def takes(self, feeds: Feeds) -> bool:
        """Whether the model takes inputs, see the class."""
        outputs: Dict[str, torch.Tensor] = {}
        if refusal(lambda: outputs.update(self._run(feeds))) is not None:
            return False
        if any(self._finite.get(name) and not torch.isfinite(value).all() for name, value in outputs.items()):
            return False
        moved = self._moved(feeds, outputs)
        return all(moved[name] <= max(1.0, 3 * self._unsteady.get(name, 0.0)) for name in moved)

    def _moved(self, feeds: Feeds, outputs: Feeds) -> Dict[str, float]:
        """How far each output is from itself when the model rounds otherwise, in what it may be."""
        generator = torch.Generator().manual_seed(0)
        moved = {
            # numbers such as those of a mask stay what they are
            name: value if _whole(value) else value + rounding_noise(value, generator)
            for name, value in feeds.items()
        }
        with torch.no_grad(), layers_round_otherwise(self._module, generator):
            again = self._run(moved)
        return {name: _distance(value, again[name]) for name, value in outputs.items()}

    def _tables(self) -> List[int]:
        """Lengths of what an input may be an index into."""
        tables = [*self._module.parameters(), *self._module.buffers(), *self.feeds.values()]
        return [int(size) for tensor in tables for size in tensor.shape]


def _timed(run: Run, feeds: Feeds) -> Tuple[Feeds, float]:
    started = time.perf_counter()
    outputs = run(feeds)
    return outputs, time.perf_counter() - started


def _whole(value: torch.Tensor) -> bool:
    return not value.is_floating_point() or bool((value.double() == value.double().round()).all())


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """How far two outputs are from each other, 1.0 for as far as they may be."""
    if one.shape != other.shape:
        return float("inf")
    if not one.is_floating_point():
        return 0.0 if torch.equal(one, other) else float("inf")
    finite = torch.isfinite(one)
    if not torch.equal(finite, torch.isfinite(other)):
        return float("inf")
    one, other = one[finite].double(), other[finite].double()
    if not one.numel():
        return 0.0
    allowed = max(_STEADY * float(one.max() - one.min()), _STEADY / 10 * float(one.abs().max()), 1e-7)
    return float((one - other).abs().max()) / allowed
