"""Scenes of digits with what is known of them: a class, boxes, turned boxes, or the class of each pixel."""

from typing import Iterator, NamedTuple

import numpy as np

from .painting import Scene, background, compose, hull, paste, render
from .sources import CLASSES, SPLITS, digit_scans, photographs

CROP_SIDE = 64
#: A training picture takes as long with fourteen digits as with eight, and teaches more.
MAX_DIGITS = {"train": 14, "test": 8}
#: Classes of pixels. Label 0 is what no digit lies on.
PIXEL_CLASSES = ("background", *CLASSES)
#: RGB colours of these.
PALETTE = (
    (0, 0, 0),
    (230, 25, 75),
    (60, 180, 75),
    (255, 225, 25),
    (0, 130, 200),
    (245, 130, 48),
    (145, 30, 180),
    (70, 240, 240),
    (240, 50, 230),
    (210, 245, 60),
    (250, 190, 212),
)
#: Degrees by which digits of rotated boxes are turned at most. An upside-down 6 would be a 9.
MOST_TURNED = 40.0
_UPRIGHT, _CROPS, _TURNED = range(3)
"""Kinds of samples, which are drawn apart from each other."""


class DetectionSample(NamedTuple):
    """One composite.

    Attributes:
        image: (H, W, 3) uint8, BGR.
        boxes: (n, 4) float32, (x1, y1, x2, y2) in pixels, right and lower edges exclusive; n is 0 to 14.
        labels: (n,) int64, the digits.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray


class ClassificationSample(NamedTuple):
    """One crop with a digit in its middle: ``image`` (64, 64, 3) uint8 BGR and its ``label``."""

    image: np.ndarray
    label: int


class SegmentationSample(NamedTuple):
    """The composite of a `DetectionSample`, and the digit that each pixel belongs to.

    Attributes:
        image: (H, W, 3) uint8, BGR.
        labels: (H, W) uint8, indices of `PIXEL_CLASSES`: a digit's is one more than the digit. To it belongs all within
            the convex hull of its ink, as strokes of the smallest digits are three pixels wide.
    """

    image: np.ndarray
    labels: np.ndarray


class RotatedSample(NamedTuple):
    """One composite of turned digits.

    Attributes:
        image: (H, W, 3) uint8, BGR.
        boxes: (n, 5) float32, (x, y, w, h, angle): the centre in pixels, the longer side, the shorter one, and by how
            many radians the longer side is turned clockwise, from -pi / 4 to 3 pi / 4, which mmrotate calls "le135".
        labels: (n,) int64, the digits.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray


def detection_samples(split: str, num: int, seed: int = 0) -> Iterator[DetectionSample]:
    """Composites with 0 to 8 digits each (training: 14), of about 24 to 96 px; about one in ten has none.

    Args:
        split: "train" or "test".
        num: how many.
        seed: another seed gives other composites of the same scans and photographs.

    Yields:
        ``num`` samples, made one at a time.

    Raises:
        InputError: another split, or a package is not installed.
    """
    for scene in _scenes(split, num, seed):
        yield DetectionSample(scene.image, scene.boxes, scene.labels)


def segmentation_samples(split: str, num: int, seed: int = 0) -> Iterator[SegmentationSample]:
    """The composites of `detection_samples` with the digits' hulls; arguments and errors as there."""
    for scene in _scenes(split, num, seed):
        pixels = np.zeros(scene.image.shape[:2], np.uint8)
        for (left, top, right, bottom), label, ink in zip(scene.boxes.astype(int), scene.labels, scene.inks):
            pixels[top:bottom, left:right][hull(ink)] = label + 1
        yield SegmentationSample(scene.image, pixels)


def rotated_samples(split: str, num: int, seed: int = 0) -> Iterator[RotatedSample]:
    """Composites of digits turned by up to 40 degrees; for the rest, and the errors, see `detection_samples`."""
    for scene in _scenes(split, num, seed, _TURNED, MOST_TURNED):
        yield RotatedSample(scene.image, scene.turned_boxes, scene.labels)


def classification_samples(split: str, num: int, seed: int = 0) -> Iterator[ClassificationSample]:
    """Crops of 64x64 px with one digit of 32 to 60 px near the middle; arguments and errors as `detection_samples`."""
    scans, labels = digit_scans(split)
    pictures = photographs(split)
    for index in range(num):
        rng = np.random.RandomState([seed, SPLITS.index(split), _CROPS, index])
        image = background(rng, pictures, (CROP_SIDE, CROP_SIDE), (0.1, 0.4))
        chosen = rng.randint(len(scans))
        # A turned digit of 60 px can be a pixel or two higher than the crop.
        ink = render(rng, scans[chosen], rng.uniform(32, 60))[:CROP_SIDE, :CROP_SIDE]
        height, width = ink.shape
        top = (CROP_SIDE - height) // 2 + rng.randint(-3, 4)
        left = (CROP_SIDE - width) // 2 + rng.randint(-3, 4)
        top, left = (int(np.clip(at, 0, CROP_SIDE - side)) for at, side in ((top, height), (left, width)))
        paste(rng, image, ink, top, left)
        yield ClassificationSample(image, int(labels[chosen]))


def _scenes(split: str, num: int, seed: int, kind: int = _UPRIGHT, turned: float = 0.0) -> Iterator[Scene]:
    """Composites of digits, turned by up to so many degrees; for the rest see `detection_samples`."""
    scans, labels = digit_scans(split)
    pictures = photographs(split)
    for index in range(num):
        rng = np.random.RandomState([seed, SPLITS.index(split), kind, index])
        yield compose(rng, pictures, scans, labels, MAX_DIGITS[split], turned)
