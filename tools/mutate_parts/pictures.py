"""Many further inputs of a model, which tell whether a fault shows at all; the verification has none of them."""

from typing import Iterator, List, Sequence, Tuple

import cv2
import numpy as np
import torch

from mmonnx.datasets import digits
from mmonnx.loading.images import photographs, second_shape
from mmonnx.loading.task import Feeds, Task

Shape = Tuple[int, int]
_EVERY_BATCH, _EVERY_PADDED, _EVERY_SIZE = 6, 3, 4
"""Every sixth input is a batch of two, every third padded, every fourth of another size than the export's."""


def further(task: Task, count: int, source: str, seed: int) -> List[Feeds]:
    """Inputs by name.

    Args:
        task: the model.
        count: how many.
        source: ``photographs``, ``digits`` (composites) or ``digit`` (crops); of no account for what is not an image.
        seed: other ones.
    """
    if task.preprocess is None:
        return list(_arrays(task, count, seed))
    rng = np.random.RandomState(seed)
    images = _images(source, count, rng)
    sizes = _sizes(task, rng)
    found = []
    for number in range(count):
        batch = int(next(iter(task.inputs.values())).shape[0])
        if task.dynamic_batch:
            batch = 2 if number % _EVERY_BATCH == _EVERY_BATCH - 1 else 1
        size = sizes[1 + number // _EVERY_SIZE % (len(sizes) - 1)] if number % _EVERY_SIZE == 1 else sizes[0]
        chosen = [images[(number + place) % len(images)] for place in range(batch)]
        found.append(_fed(task, chosen, size, rng, number % _EVERY_PADDED == _EVERY_PADDED - 1))
    return found


def _images(source: str, count: int, rng: np.random.RandomState) -> List[np.ndarray]:
    seed = int(rng.randint(1, 2**31 - 1))
    if source == "digits":
        return [sample.image for sample in digits.detection_samples("test", count, seed)]
    if source == "digit":
        return [sample.image for sample in digits.classification_samples("test", count, seed)]
    pictures = [*photographs(), *digits.photographs("train"), *digits.photographs("test")]
    return [_varied(pictures[number % len(pictures)], rng) for number in range(count)]


def _varied(picture: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """A crop of a picture, perhaps mirrored, of another brightness."""
    height, width = (max(int(side * rng.uniform(0.25, 1.0)), 16) for side in picture.shape[:2])
    top, left = (rng.randint(whole - side + 1) for whole, side in zip(picture.shape[:2], (height, width)))
    crop = picture[top : top + height, left : left + width]
    if rng.randint(2):
        crop = crop[:, ::-1]
    return cv2.convertScaleAbs(crop, alpha=rng.uniform(0.5, 1.3), beta=rng.uniform(-30, 30))


def _sizes(task: Task, rng: np.random.RandomState) -> List[Shape]:
    """That of the export, and others as far as height and width are dynamic."""
    if not task.dynamic_size:
        return [task.shape, task.shape]
    divisor = task.divisor
    others = [task.other_shape or second_shape(task.shape, divisor)]
    others += [task.larger_shape] if task.larger_shape else []
    for _ in range(4):
        height, width = (max(round(side * rng.uniform(0.7, 1.5) / divisor), 2) * divisor for side in task.shape)
        others.append((height, width))
    return [task.shape, *others]


def _fed(task: Task, images: Sequence[np.ndarray], size: Shape, rng: np.random.RandomState, padded: bool) -> Feeds:
    """The inputs for a batch; a padded picture ends before the input does, and zeros follow."""
    feeds = task.preprocess(images, size)
    if "img_shape" not in feeds:
        return feeds
    shape = [int(side - (rng.randint(1, side // 3) if padded else 0)) for side in size]
    name, input = next(iter(feeds.items()))
    blank = torch.zeros_like(input)
    inner = task.preprocess(images, tuple(shape))[name]
    blank[..., : shape[0], : shape[1]] = inner
    return {**feeds, name: blank, "img_shape": torch.tensor(shape).to(feeds["img_shape"])}


def _arrays(task: Task, count: int, seed: int) -> Iterator[Feeds]:
    """Inputs of the sizes of the task's own samples, of several distributions; whole numbers are some of the given."""
    generator = torch.Generator().manual_seed(seed)
    samples = list(task.samples.values())
    for number in range(count):
        shapes = samples[number % len(samples)]
        yield {
            name: _drawn(task.inputs[name], tensor.shape, number // len(samples), generator)
            for name, tensor in shapes.items()
        }


def _drawn(given: torch.Tensor, shape: torch.Size, number: int, generator: torch.Generator) -> torch.Tensor:
    if not given.is_floating_point() or not given.numel():
        values = given.reshape(-1)
        if not values.numel():
            return given.new_zeros(shape)
        return values[torch.randint(values.numel(), tuple(shape), generator=generator)]
    mean, scale = given.mean(), given.std() if given.numel() > 1 and given.std() > 0 else torch.ones(())
    normal = torch.randn(tuple(shape), generator=generator)
    spread = (1.0, 0.2, 4.0, -1.0)[number % 4]
    drawn = normal * scale * spread + mean
    if number % 5 == 4:  # a sparse one
        drawn = torch.where(torch.rand(tuple(shape), generator=generator) < 0.2, drawn, torch.zeros(()))
    return drawn.to(given)
