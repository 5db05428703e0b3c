"""Values of several kinds in the place of given ones: of another spread, sign, size, sparse, saturated, none at all."""

from functools import partial
from typing import Callable, Dict, List, NamedTuple, Sequence

import torch

KINDS = ("other values", "sign changed", "larger", "sparse", "saturated", "smaller", "nothing")
"""By how much they tell: of a slow model, the first few are tried."""
_MANY = 4


class Span(NamedTuple):
    """The whole numbers that a model takes in an input: from the lowest to the highest, both included."""

    low: int
    high: int


def given_span(given: torch.Tensor) -> Span:
    """From the lowest to the highest of the given numbers; all zeros where there are none."""
    return Span(int(given.min()), int(given.max())) if given.numel() else Span(0, 0)


def drawn(given: torch.Tensor, shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """The given values as they lie there, or, for another shape, drawn from among them."""
    if tuple(shape) == tuple(given.shape):
        return given.clone()
    if not given.numel():
        return given.new_zeros(tuple(shape))
    index = torch.randint(given.numel(), tuple(shape), generator=generator)
    return given.reshape(-1)[index.to(given.device)]


def values(
    kind: str, given: torch.Tensor, shape: Sequence[int], span: Span, generator: torch.Generator
) -> List[torch.Tensor]:
    """Values of a kind, in several ways of which a model may not take each; the one that tells most is first.

    Args:
        kind: one of ``KINDS``.
        given: the sample's values.
        shape: the shape to make.
        span: of whole numbers, those that the model takes.
        generator: of what is random.
    """
    if not given.numel():
        return [given.new_zeros(tuple(shape))]
    if given.dtype == torch.bool:
        return [_truths(kind, given, shape, generator)]
    if given.is_floating_point():
        return [value.to(given) for value in _floats(kind, given.float().cpu(), shape, generator)]
    if given.is_complex():
        return [drawn(given, shape, generator)]
    return [value.to(given) for value in _whole(kind, given.cpu(), shape, span, generator)]


def _floats(kind: str, given: torch.Tensor, shape: Sequence[int], generator: torch.Generator) -> List[torch.Tensor]:
    deviation = float(given.std(unbiased=False))
    mean = float(given.mean())
    spread = deviation if deviation > 0 else max(abs(mean), 1.0)
    noise = torch.randn(tuple(shape), generator=generator) * spread
    part = torch.rand(tuple(shape), generator=generator)
    own = drawn(given, shape, generator)
    base = own if deviation > 0 else own + noise
    greatest, least = float(base.max()), float(base.min())
    some = (part < 0.2).float()
    ends = torch.where(part < 0.5, torch.tensor(least), torch.tensor(greatest))
    around = mean + noise
    within = least + (greatest - least) * part
    mixed = own.reshape(-1)[torch.randperm(own.numel(), generator=generator)].reshape(own.shape)
    ways: Dict[str, Callable[[], List[torch.Tensor]]] = {
        "other values": lambda: [around, around.abs(), within, mixed],
        "sign changed": lambda: [-base],
        "larger": lambda: [4 * base, 2 * base],
        # a mask of numbers stays one
        "sparse": lambda: [(own if bool((own.double() == own.double().round()).all()) else base) * some, base * some],
        "saturated": lambda: [2 * max(abs(greatest), abs(least)) * noise.sign(), ends],
        "smaller": lambda: [0.1 * base],
        "nothing": lambda: [torch.zeros(tuple(shape))],
    }
    return ways[kind]()


def _whole(
    kind: str, given: torch.Tensor, shape: Sequence[int], span: Span, generator: torch.Generator
) -> List[torch.Tensor]:
    def between(low: int, high: int) -> torch.Tensor:
        return torch.randint(low, max(high, low) + 1, tuple(shape), generator=generator)

    part = torch.rand(tuple(shape), generator=generator)
    own = drawn(given, shape, generator).long()
    mixed = own.reshape(-1)[torch.randperm(own.numel(), generator=generator)].reshape(own.shape)
    middle = span.low + (span.high - span.low + 1) // 2
    none = torch.full(tuple(shape), min(max(0, span.low), span.high))
    least = max(span.low, min(0, int(given.min())))
    mirrored = -own if span.low < 0 else (span.low + span.high - own).clamp(span.low, span.high)
    ways: Dict[str, Callable[[], List[torch.Tensor]]] = {
        "other values": lambda: [between(least, span.high), between(*given_span(given)), mixed],
        "sign changed": lambda: [mirrored],
        "larger": lambda: [between(middle, span.high)],
        "sparse": lambda: [torch.where(part < 0.2, own, none)],
        "saturated": lambda: [torch.where(part < 0.5, none, torch.full_like(none, span.high))],
        "smaller": lambda: [between(max(0, span.low), int(given.max()))],
        "nothing": lambda: [none],
    }
    return ways[kind]()


def _truths(kind: str, given: torch.Tensor, shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    part = torch.rand(tuple(shape), generator=generator).to(given.device)
    own = drawn(given, shape, generator)
    ways = {
        "other values": part < 0.5,
        "sign changed": ~own,
        "larger": part < 0.8,
        "sparse": part < 0.2,
        "saturated": torch.ones_like(own),
        "smaller": own & (part < 0.5),
        "nothing": torch.zeros_like(own),
    }
    return ways[kind]


def spans(
    feeds: Dict[str, torch.Tensor], sizes: Sequence[int], takes: Callable[[Dict[str, torch.Tensor]], bool], tries: int
) -> Dict[str, Span]:
    """The whole numbers that a model takes, by input; of an index, those of which there is a row.

    On a device other than the CPU, where a wrong index ends the process, those between the given ones.

    Args:
        feeds: the sample.
        sizes: numbers that may be lengths of what an input is an index into.
        takes: whether the model runs on inputs.
        tries: how often it may be asked, of each input.
    """
    found = {}
    for name, given in feeds.items():
        if given.is_floating_point() or given.is_complex() or given.dtype == torch.bool:
            continue
        own = given_span(given)
        asked = given.numel() and given.device.type == "cpu" and tries > 0
        found[name] = _span(own, given, sizes, partial(_takes, takes, feeds, name), tries) if asked else own
    return found


def _takes(
    takes: Callable[[Dict[str, torch.Tensor]], bool], feeds: Dict[str, torch.Tensor], name: str, number: int
) -> bool:
    """Whether a model takes a number in an input, in one place."""
    changed = feeds[name].clone(memory_format=torch.contiguous_format)
    changed.view(-1)[-1] = number
    return takes({**feeds, name: changed})


def _span(own: Span, given: torch.Tensor, sizes: Sequence[int], takes: Callable[[int], bool], tries: int) -> Span:
    limits = torch.iinfo(given.dtype)
    low = min(own.low, 0) if own.low <= 0 or takes(0) else own.low
    if limits.min < 0 and low == 0 and takes(-1):
        low = -max(own.high, 1)
        low = low if takes(low) else -1
    for size in sorted({size for size in sizes if own.high < size <= limits.max})[: tries // 2]:
        if not takes(size):  # the table that it is an index into is this long, or shorter
            return Span(low, _last_taken(own.high, size, takes, tries))
    return Span(low, min(limits.max, _MANY * max(own.high, 1)))


def _last_taken(good: int, bad: int, takes: Callable[[int], bool], tries: int) -> int:
    """The last number that a model takes, which takes ``good`` and not ``bad``."""
    number = bad - 1  # most often it is the one before
    while bad - good > 1 and tries > 0:
        good, bad = (number, bad) if takes(number) else (good, number)
        number, tries = (good + bad) // 2, tries - 1
    return good
