"""Other inputs than the given ones, of a model of which nothing is known but that it runs on these."""

from functools import partial
from typing import Dict, List, Optional, Sequence

import torch
from torch import nn

from ...loading import Feeds, longer, refusal
from ...support import InputError
from .distributions import KINDS, values
from .trials import Run, Trial

Axes = Dict[str, Dict[int, str]]


def sizes_of(feeds: Feeds, axes: Axes) -> Dict[str, int]:
    """How long each named axis is.

    Raises:
        InputError: there is no such input or axis, or two axes of one name are not equally long.
    """
    found: Dict[str, int] = {}
    for name, named in axes.items():
        for axis, label in named.items():
            if name not in feeds or not 0 <= axis < feeds[name].dim():
                known = ", ".join(f"{key} with {value.dim()} axes" for key, value in feeds.items())
                raise InputError(f"dynamic_axes names axis {axis} of {name!r}", known, "fix dynamic_axes")
            size = int(feeds[name].shape[axis])
            if found.setdefault(label, size) != size:
                raise InputError(
                    f"dynamic_axes calls axes of {found[label]} and of {size} {label!r}",
                    "one name for axes that are always equally long",
                    "give them different names",
                )
    return found


def variations(title: str, feeds: Feeds, axes: Axes, run: Run, module: nn.Module) -> Dict[str, Feeds]:
    """Inputs to verify on, by what they are: as given; of other values; with axes of other lengths; of all kinds.

    The other lengths are often shorter ones, and a branch in the model may be for longer axes: last, all are longer.

    Args:
        title: what the model is.
        feeds: the given inputs.
        axes: ``{input: {axis: name}}``, those that are dynamic.
        run: runs the model, which says itself what it takes.
        module: the model.

    Raises:
        InputError: the model takes no other size of an axis.
    """
    own = sizes_of(feeds, axes)
    trial = Trial(feeds, run, module)
    found = {"as given": feeds, **varied(trial, axes, own, KINDS[:1])}
    taken: Dict[str, int] = {}
    for label, size in own.items():
        problem = None
        for other in _candidates(size):
            sized = resized(trial, axes, {**own, label: other}, len(found))
            problem = refusal(partial(run, sized))
            if problem is None:
                taken[label], found[f"{label} {other}"] = other, sized
                break
        if problem:
            raise InputError(
                f"axis {label!r} cannot be dynamic: {title} takes {size} and not {_candidates(size)} ({problem})",
                "axes of which the model takes other sizes",
                "leave it out of dynamic_axes",
            )
    every: Dict[str, int] = {}
    for sizes in (taken, {label: _longer(size) for label, size in own.items()}):
        name = ", ".join(f"{label} {size}" for label, size in sizes.items())
        sized = resized(trial, axes, sizes, len(found))
        if sizes and (name in found or refusal(partial(run, sized)) is None):
            found.setdefault(name, sized)
            every = sizes
    found.update(varied(trial, axes, own, KINDS[1:]))
    if every and trial.quick:
        found.update(varied(trial, axes, every, KINDS[1:]))
    return found


def varied(trial: Trial, axes: Axes, sizes: Dict[str, int], kinds: Sequence[str]) -> Dict[str, Feeds]:
    """Inputs of several kinds of values, of which the model takes each, by kind and by size where that is another.

    Args:
        trial: of the model and the given inputs.
        axes: the inputs' axes that are dynamic.
        sizes: how long these are to be.
        kinds: some of ``KINDS``; of a slow model, fewer of them are tried.
    """
    own = sizes_of(trial.feeds, axes)
    suffix = "".join(f", {label} {size}" for label, size in sizes.items()) if sizes != own else ""
    found: Dict[str, Feeds] = {}
    for kind in kinds[: trial.kinds]:
        feeds = _taken(trial, kind, axes, sizes)
        if feeds is not None:
            found[kind + suffix] = feeds
    return found


def _taken(trial: Trial, kind: str, axes: Axes, sizes: Dict[str, int]) -> Optional[Feeds]:
    """Inputs of a kind that the model takes: all of them of that kind, or those of which it takes it; None for none."""
    generator = torch.Generator().manual_seed(KINDS.index(kind))
    ways = {
        name: values(kind, given, _shape(given, axes.get(name, {}), sizes), trial.span(name), generator)
        for name, given in trial.feeds.items()
    }
    first = {name: some[0] for name, some in ways.items()}
    if trial.takes(first):
        return first
    chosen = resized(trial, axes, sizes, KINDS.index(kind))
    found = False
    for name, some in ways.items():
        way = next((way for way in some if trial.takes({**chosen, name: way})), None)
        if way is not None:
            chosen[name], found = way, True
    return chosen if found else None


def resized(trial: Trial, axes: Axes, sizes: Dict[str, int], seed: int) -> Feeds:
    """Inputs of other sizes, of other values as far as the model takes these."""
    generator = torch.Generator().manual_seed(seed)
    found: Feeds = {}
    for name, given in trial.feeds.items():
        ways = values(KINDS[0], given, _shape(given, axes.get(name, {}), sizes), trial.span(name), generator)
        found[name] = ways[min(trial.way(name), len(ways) - 1)]
    return found


def _shape(given: torch.Tensor, axes: Dict[int, str], sizes: Dict[str, int]) -> List[int]:
    return [sizes[axes[axis]] if axis in axes else size for axis, size in enumerate(given.shape)]


def _candidates(size: int) -> List[int]:
    """Other sizes of an axis: a batch takes any, images often those that 32 divides, sequences shorter ones.

    What a model takes apart (frames of clips, pixels of blocks) comes in multiples, as those of the given size are.
    """
    if size < 8:
        found = [size + 1, 2 * size + 1, 2 * size, 3 * size]
    else:
        near = max(1, round(0.6 * size / 32)) * 32
        found = [near, size // 2, 2 * size, size + 1, size + 32]
    return [other for number, other in enumerate(found) if other != size and other not in found[:number]]


def _longer(size: int) -> int:
    """A longer axis, in multiples of 32 where it is an image's."""
    return longer(size, 1.2) if size % 32 == 0 else size + size // 4 + 1


def output_axes(run: Run, feeds: Feeds, axes: Axes, others: List[Feeds]) -> Axes:
    """Which axes of the outputs change with the inputs, named after the input's axis that they follow.

    Args:
        run: runs the model; its outputs by name.
        feeds, axes: the given inputs, and which of their axes are dynamic.
        others: inputs of other sizes.
    """
    runs = [(run(one), sizes_of(one, axes)) for one in [feeds, *others]]
    found: Axes = {}
    for name, output in runs[0][0].items():
        for axis in range(output.dim()):
            lengths = [int(outputs[name].shape[axis]) for outputs, _ in runs]
            if len(set(lengths)) > 1:
                same = (label for label in runs[0][1] if lengths == [sizes[label] for _, sizes in runs])
                found.setdefault(name, {})[axis] = next(same, f"{name}_dim_{axis}")
    return found
