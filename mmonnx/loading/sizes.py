"""Which image sizes a model takes: its own code knows."""

from functools import partial
from typing import Any, Callable, Optional, Tuple

import torch

from ..support import FixedSizeError, InputError, type_and_line
from .images import second_shape
from .options import LoadOptions
from .task import Feeds, Task

Shape = Tuple[int, int]


def check_size(title: str, shape: Shape, run: Callable[[Shape], Any], options: LoadOptions) -> Optional[Shape]:
    """Refuse a size that the model itself does not take, and all of them if it takes one alone; else another one.

    Args:
        title: what the model is.
        shape: (height, width) of the export, in pixels.
        run: runs the model on images of a size.
        options: whether the size is to be dynamic.

    Returns:
        Another (height, width) that it takes; None if it is not asked for, as nothing is dynamic.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: it does not take this one.
    """
    problem = refusal(lambda: run(shape))
    if problem:
        raise _not_taken(title, shape, problem)
    return another_size(title, shape, run) if options.dynamic else None


def another_size(title: str, shape: Shape, run: Callable[[Shape], Any], divisor: int = 32) -> Shape:
    """Another (height, width) that a model takes, a smaller one if it can be.

    Args:
        title: what the model is.
        shape: (height, width) that it takes, in pixels.
        run: runs the model on images of a size.
        divisor: what the heights and widths are multiples of that the model is made for.

    Raises:
        FixedSizeError: it takes no other.
        InputError: it does not take this one either.
    """
    for other in (second_shape(shape, divisor), (shape[0] + 32, shape[1] + 64)):
        problem = refusal(partial(run, other))
        if not problem:
            return other
    own = refusal(partial(run, shape))
    if own:
        raise _not_taken(title, shape, own)
    raise FixedSizeError(
        f"{title} takes images of {shape[0]}x{shape[1]} and not of {other[0]}x{other[1]} ({problem}), so that its "
        "height and width cannot be dynamic",
        "a model of any size for --dynamic-export",
        "use --dynamic-batch instead",
    )


def larger_size(shape: Shape, run: Callable[[Shape], Any], options: LoadOptions) -> Optional[Shape]:
    """A larger (height, width) that a model takes, of another aspect; None if it takes none, or nothing is dynamic.

    A branch in the model may be for larger images alone, and the smaller ones that verify it say nothing of that.

    Args:
        shape: (height, width) that it takes, in pixels.
        run: runs the model on images of a size.
        options: whether the size is to be dynamic.
    """
    height, width = longer(shape[0], 1.2), longer(shape[1], 1.5)
    if not options.dynamic or refusal(lambda: run((height, width))):
        return None
    return height, width


def longer(size: int, share: float) -> int:
    """A multiple of 32 that is longer than a size, and than this share of it but for a rounding."""
    return 32 * (round(share * size / 32) + 1)


def _not_taken(title: str, shape: Shape, problem: str) -> InputError:
    return InputError(
        f"{title} does not take images of {shape[0]}x{shape[1]} ({problem})",
        "a size that it was made for",
        "give it as --shape, or leave --shape out for the config's own",
    )


def takes(task: Task, feeds: Feeds) -> bool:
    """Whether a model takes these inputs, and its file, of whose sizes those that are not dynamic are the export's."""
    for name, value in feeds.items():  # of any batch: a single picture is asked of
        dynamic, own = task.dynamic_axes.get(name, {}), task.inputs[name].shape
        if any(size != own[axis] for axis, size in enumerate(value.shape) if axis and axis not in dynamic):
            return False
    return refusal(lambda: task.predict(feeds)) is None


def refusal(run: Callable[[], Any]) -> Optional[str]:
    """Why a model does not run, in a line; None if it does."""
    try:
        with torch.no_grad():
            run()
    except Exception as error:  # the model raises whatever its own code raises
        return type_and_line(error)[:160]
    return None
