"""The inputs to compare on: pictures, in the sizes and batches that the file takes."""

from typing import List, Optional, Sequence, Tuple

import cv2
import numpy as np

from ..loading import Task, photographs, second_shape
from .outcome import Case

Shape = Tuple[int, int]
DARK = "dark"
"""The kind of the case with nothing on its picture."""


def make_cases(task: Task, images: Optional[Sequence[np.ndarray]], shape: Shape, batch: int = 1) -> List[Case]:
    """The inputs to compare on: as exported; in other sizes and batches as far as these are dynamic; padded; dark.

    Args:
        task: the model.
        images: the user's pictures, (H, W) or (H, W, C), of three channels BGR; None for scikit-image's photographs.
        shape: (height, width) of the export, in pixels.
        batch: the batch of the export.
    """
    samples = [Case(name, feeds, ()) for name, feeds in task.samples.items()]
    if task.preprocess is None:
        return samples
    pictures = pictures_of(images, max(batch, 2))
    other = other_shape(task, shape)
    cases = [picture_case(task, "photograph", pictures[:batch], shape)]
    if task.dynamic_size:
        cases.append(picture_case(task, "photograph", pictures[: 1 if task.dynamic_batch else batch], other))
    if task.dynamic_batch:
        cases.append(picture_case(task, "photograph", pictures[:2] if batch != 2 else pictures[:1], other))
    if task.dynamic_size and task.larger_shape:
        number = 1 if task.dynamic_batch else batch
        cases.append(picture_case(task, "photograph", pictures[:number], task.larger_shape))
    if task.preprocess_padded is not None:
        cases.append(padded_case(task, "padded", pictures[: 1 if task.dynamic_batch else batch], other))
    cases.append(picture_case(task, DARK, [darkness(shape, task.channels)] * batch, shape))
    return cases + samples


def padded_case(task: Task, kind: str, chosen: Sequence[np.ndarray], size: Shape) -> Case:
    """Pictures that do not fill the input, by other shares of its height and of its width."""
    assert task.preprocess_padded is not None  # the callers have asked
    part = max(size[0] * 7 // 8, 1), max(size[1] * 3 // 4, 1)
    shown = []
    for picture in chosen:
        canvas = np.zeros((*size, *picture.shape[2:]), picture.dtype)
        canvas[: part[0], : part[1]] = cv2.resize(picture, part[::-1], interpolation=cv2.INTER_LINEAR)
        shown.append(canvas)
    return Case(_name(kind, size, len(chosen)), task.preprocess_padded(list(chosen), size, part), shown)


def darkness(shape: Shape, channels: int = 3) -> np.ndarray:
    """A picture (height, width, channels) without anything on it, as a camera takes it in the dark.

    A black one would not do: whole planes of scores are equal up to the order of sums then, and what is found is an
    accident in PyTorch itself.
    """
    return np.random.RandomState(0).randint(0, 16, (*shape, channels)).astype(np.uint8)


def pictures_of(images: Optional[Sequence[np.ndarray]], needed: int) -> List[np.ndarray]:
    """At least so many pictures that differ: rows of a batch must differ, or mixed-up rows would not show."""
    pictures = list(images or photographs())
    while len(pictures) < needed:
        # mirrored and brightened copies
        source = pictures[len(pictures) // 2]
        pictures.append(_brightened(source[:, ::-1], 20 * len(pictures)))
    return pictures


def _brightened(picture: np.ndarray, by: int) -> np.ndarray:
    if picture.dtype.kind != "u":
        return picture + picture.dtype.type(by / 255 * np.ptp(picture))
    return np.minimum(picture.astype(np.int64) + by, np.iinfo(picture.dtype).max).astype(picture.dtype)


def other_shape(task: Task, shape: Shape) -> Shape:
    """Another (height, width) than that of the export where it is dynamic, else the same."""
    return (task.other_shape or second_shape(shape, task.divisor)) if task.dynamic_size else shape


def picture_case(task: Task, kind: str, chosen: Sequence[np.ndarray], size: Shape) -> Case:
    """Pictures as one batch of a size."""
    assert task.preprocess is not None  # the model is one of images
    resized = [cv2.resize(picture, size[::-1], interpolation=cv2.INTER_LINEAR) for picture in chosen]
    return Case(_name(kind, size, len(chosen)), task.preprocess(list(chosen), size), resized)


def _name(kind: str, size: Shape, batch: int) -> str:
    return f"{kind} {size[0]}x{size[1]}" + (f" batch {batch}" if batch > 1 else "")
