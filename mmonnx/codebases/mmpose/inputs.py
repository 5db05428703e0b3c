"""What pose estimators get, and which axes of it are dynamic."""

from functools import partial
from typing import Any, Callable, Sequence, Tuple

import numpy as np
import torch

from ...loading import Feeds, LoadOptions, Task, make_input, refusal, second_shape

Shape = Tuple[int, int]
_DIVISORS = 32, 64, 128


def feeds(
    images: Sequence[np.ndarray], shape: Shape, norm: Any, channels: int, device: torch.device, frames: int = 0
) -> Feeds:
    """Pictures resized to exactly a (height, width), normalised, as one batch; or films of so many frames of each."""
    image = make_input(images, shape, norm, channels).to(device)
    if frames:  # each picture moves by a few pixels from frame to frame
        image = torch.stack([image.roll((number, 2 * number), (2, 3)) for number in range(frames)], 1)
    return {"input": image}


def divisor_of(shape: Shape, run: Callable[[Shape], Any]) -> int:
    """What heights and widths are multiples of that a model takes, in pixels: an hourglass halves its maps and adds up.

    Args:
        shape: (height, width) that it takes.
        run: runs it on pictures of a size.
    """
    taken = (one for one in _DIVISORS if refusal(partial(run, second_shape(shape, one))) is None)
    return next(taken, _DIVISORS[0])


def name_axes(task: Task, options: LoadOptions, maps: bool) -> None:
    """Name the axes of a task that are to be dynamic.

    Args:
        task: is changed.
        options: what is asked for.
        maps: whether the outputs are maps, whose sizes go with the input's.
    """
    if not (options.dynamic or options.dynamic_batch):
        return
    task.dynamic_axes = {name: {0: "batch"} for name in ["input", *task.output_names]}
    if not options.dynamic:
        height, width = task.shape
        task.notes.append(f"--dynamic-batch: height and width are {height}x{width}")
        return
    rows = task.inputs["input"].dim() - 2
    task.dynamic_axes["input"].update({rows: "height", rows + 1: "width"})
    for name in task.output_names if maps else ():
        task.dynamic_axes[name].update({2: "map_height", 3: "map_width"})
