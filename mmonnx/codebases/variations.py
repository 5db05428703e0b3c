"""Other inputs than the given ones, of a model of which nothing is known but that it runs on these."""

from typing import Any, Callable, Dict, List

import torch

from ..errors import InputError
from .base import Feeds
from .sizes import longer, refusal

Axes = Dict[str, Dict[int, str]]
Run = Callable[[Feeds], Any]


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
                raise InputError(f"dynamic_axes names axis {axis} of {name!r}", known, "mend dynamic_axes")
            size = int(feeds[name].shape[axis])
            if found.setdefault(label, size) != size:
                raise InputError(
                    f"dynamic_axes calls axes of {found[label]} and of {size} {label!r}",
                    "one name for axes that are always equally long",
                    "give them different names",
                )
    return found


def variations(title: str, feeds: Feeds, axes: Axes, run: Run) -> Dict[str, Feeds]:
    """Inputs to verify on, by what they are: as given, with other values, with each axis of another length, with all.

    The other lengths are often shorter ones, and a branch in the model may be for longer axes: last, all are longer.

    Args:
        title: what the model is.
        feeds: the given inputs.
        axes: ``{input: {axis: name}}``, those that are dynamic.
        run: runs the model, which says itself what it takes.

    Raises:
        InputError: the model takes no other size of an axis.
    """
    own = sizes_of(feeds, axes)
    found = {"as given": feeds, "other values": resized(feeds, axes, own, 0)}
    taken: Dict[str, int] = {}
    for label, size in own.items():
        problem = None
        for other in _candidates(size):
            varied = resized(feeds, axes, {**own, label: other}, len(found))
            problem = refusal(lambda varied=varied: run(varied))
            if problem is None:
                taken[label], found[f"{label} {other}"] = other, varied
                break
        if problem:
            raise InputError(
                f"axis {label!r} cannot be dynamic: {title} takes {size} and not {_candidates(size)} ({problem})",
                "axes of which the model takes other sizes",
                "leave it out of dynamic_axes",
            )
    for sizes in (taken, {label: _longer(size) for label, size in own.items()}):
        name = ", ".join(f"{label} {size}" for label, size in sizes.items())
        every = resized(feeds, axes, sizes, len(found))
        if sizes and name not in found and refusal(lambda every=every: run(every)) is None:
            found[name] = every
    return found


def resized(feeds: Feeds, axes: Axes, sizes: Dict[str, int], seed: int) -> Feeds:
    """Inputs of other sizes, of values as the given ones have them."""
    generator = torch.Generator().manual_seed(seed)
    return {name: _resized(tensor, axes.get(name, {}), sizes, generator) for name, tensor in feeds.items()}


def _resized(tensor: torch.Tensor, axes: Dict[int, str], sizes: Dict[str, int], generator: Any) -> torch.Tensor:
    shape = [sizes[axes[axis]] if axis in axes else size for axis, size in enumerate(tensor.shape)]
    if tensor.is_floating_point() and tensor.numel() > 1:
        drawn = torch.randn(shape, generator=generator).to(tensor)
        return drawn * tensor.std() + tensor.mean()
    if not tensor.numel():
        return tensor.new_zeros(shape)
    # whole numbers may be indices into something: no others than the given ones
    index = torch.randint(tensor.numel(), shape, generator=generator)
    return tensor.reshape(-1)[index.to(tensor.device)]


def _candidates(size: int) -> List[int]:
    """Other sizes of an axis: a batch takes any, images often those that 32 divides, sequences shorter ones."""
    if size < 8:
        return [size + 1, 2 * size + 1]
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
