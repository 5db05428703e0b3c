"""What mmocr's models get, and which axes of it are dynamic."""

from functools import partial
from typing import Any, Callable, NamedTuple, Optional, Sequence, Tuple

from ...loading import LoadOptions, Task, larger_size, longer, refusal
from ...support import FixedSizeError

Shape = Tuple[int, int]
_STEP = 16
"""What heights and widths of lines of text are multiples of, in pixels."""


class Sizes(NamedTuple):
    """Which sizes a recognizer takes.

    Attributes:
        sides: the axes of its input that may be dynamic.
        other: another (height, width), None where none is asked for.
        larger: a larger one, None where it takes none.
    """

    sides: Tuple[int, ...] = ()
    other: Optional[Shape] = None
    larger: Optional[Shape] = None


def line_sizes(title: str, shape: Shape, run: Callable[[Shape], Any], options: LoadOptions) -> Sizes:
    """Which sizes a recognizer takes: of many the height is fixed, as their features are to be one row.

    Args:
        title: what the model is.
        shape: (height, width) that it takes, in pixels.
        run: runs the model on images of a size.
        options: whether the size is to be dynamic.

    Raises:
        FixedSizeError: the size is to be dynamic, and the model takes one alone.
    """
    if not options.dynamic:
        return Sizes()
    height, width = shape
    narrow = max(round(0.8 * width / _STEP), 1) * _STEP
    widths = [one for one in (narrow, width + 2 * _STEP) if one != width]
    other = next((one for one in widths if refusal(partial(run, (height, one))) is None), None)
    if other is None:
        raise FixedSizeError(
            f"{title} takes images of {height}x{width} and not of {height}x{widths[0]} "
            f"({refusal(partial(run, (height, widths[0])))}), so that its width cannot be dynamic",
            "a model of any width for --dynamic-export",
            "use --dynamic-batch instead",
        )
    lower = max(round(0.6 * height / _STEP), 1) * _STEP
    if lower != height and not any(refusal(partial(run, size)) for size in ((lower, other), (2 * height, other))):
        return Sizes((2, 3), (lower, other), larger_size(shape, run, options))
    wide = height, longer(width, 1.5)
    return Sizes((3,), (height, other), None if refusal(partial(run, wide)) else wide)


def name_axes(task: Task, options: LoadOptions, sides: Sequence[int], maps: bool) -> None:
    """Name the axes of a task that are to be dynamic.

    Args:
        task: is changed.
        options: what is asked for.
        sides: the axes of the picture that may be dynamic: lines of text have one height.
        maps: whether the outputs are maps, whose sizes go with the input's.
    """
    if not (options.dynamic or options.dynamic_batch):
        return
    task.dynamic_axes = {name: {0: "batch"} for name in [*task.inputs, *task.output_names]}
    if not options.dynamic:
        height, width = task.shape
        task.notes.append(f"--dynamic-batch: height and width are {height}x{width}")
        return
    names = {2: "height", 3: "width"}
    task.dynamic_axes["input"].update({side: names[side] for side in sides})
    for name in task.output_names if maps else ():
        task.dynamic_axes[name].update({2: f"{name}_height", 3: f"{name}_width"})
