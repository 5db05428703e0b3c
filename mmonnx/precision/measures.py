"""What a loss is measured on: the config's test set by its metric, or pictures by how far two files agree."""

import hashlib
import re
from typing import Dict, List, Optional, Sequence

import numpy as np

from ..evaluation import ScoredSet
from ..runtime import check_picture, open_model, pictures_in
from ..support import InputError
from .agreement import agreement_of
from .settings import Loss, PrecisionSettings

Feeds = Dict[str, np.ndarray]

_FIGURES = (
    *("bbox_mAP", "segm_mAP", "mAP", "AP50", "PQ", "accuracy_top-1", "accuracy/top1", "accuracy", "mIoU", "AP", "PCK"),
    *("f1_score", "AUC", "top1_acc", "mean_class_accuracy", "word_acc", "hmean-iou:hmean", "hmean-ic13:hmean"),
    *("SSIM", "ssim"),
)
"""Figures that count, of a hundred or of one, the greater the better."""
_OF_HUNDRED = ("accuracy_top-1", "accuracy/top1", "accuracy", "f1_score")
"""Those that upstream counts in points already."""


_FEW = 8
"""Images that are enough to time a file on."""


class Measure:
    """What a loss is measured on."""

    def loss(self, path: str) -> Loss:
        """What a file loses."""
        raise NotImplementedError


class ByMetric(Measure):
    """By the metric of a config, on its test set.

    Args:
        images: these.
        float32: the path of the file in float32.
        runtime: the runtime that reduced files are run in.
    """

    def __init__(self, images: ScoredSet, float32: str, runtime: str) -> None:
        self._images, self._runtime = images, runtime
        self._before = points(images.score(float32))
        if not any(self._before.values()):
            names = ", ".join(self._before)
            raise InputError(
                f"the float32 file has no point of {names} on {len(images)} images of {images.title}, "
                "and nothing to lose",
                "a file that is right somewhere",
                "give one with trained weights, more images with --measure, or pictures with --images alone",
            )

    def loss(self, path: str) -> Loss:
        """See ``Measure.loss``; of several figures the one that loses most."""
        try:
            after = figures(self._images.score(path, self._runtime))  # none where nothing is found or is a number
        except InputError:  # boxes that are no numbers are an error of RoIAlign
            after = {}
        name = max(self._before, key=lambda one: self._before[one] - after.get(one, 0.0))
        return Loss(name, self._before[name], after.get(name, 0.0), len(self._images), self._images.title)


class ByAgreement(Measure):
    """By how far a file agrees with the float32 file, on pictures.

    Args:
        pictures: paths.
        source: what they are of.
        float32: the path of the file in float32.
        runtime: the runtime that reduced files are run in.
    """

    def __init__(self, pictures: Sequence[str], source: str, float32: str, runtime: str) -> None:
        self._pictures, self._source, self._runtime = list(pictures), source, runtime
        model = open_model(float32, "cpu")
        self._name, self._compare = agreement_of(model)
        self._expected = [model(picture) for picture in self._pictures]

    def loss(self, path: str) -> Loss:
        """See ``Measure.loss``."""
        model, found, total = open_model(path, "cpu", runtime=self._runtime), 0.0, 0.0
        for picture, expected in zip(self._pictures, self._expected):
            try:
                agreed, of = self._compare(expected, model(picture))
            except InputError:  # as above
                agreed, of = 0.0, self._compare(expected, expected)[1]
            found, total = found + agreed, total + of
        if not total:
            raise InputError(
                f"the float32 file finds nothing in the pictures of {self._source}, so that no loss can be measured",
                "pictures in which it finds something",
                "give others with --images",
            )
        return Loss(self._name, 100.0, 100.0 * found / total, len(self._pictures), self._source)


def figures(scores: Dict[str, float]) -> Dict[str, float]:
    """The figures that count, in points of a hundred, as far as they are there."""
    found = {}
    for name, value in scores.items():
        last = name if name in _OF_HUNDRED else re.sub(r"^(.*/|\d+_)", "", name, count=1)
        if last in _FIGURES and value >= 0:
            percent = last in _OF_HUNDRED or value > 1.0  # mmseg's of the second generation
            found[name] = value if percent else 100.0 * value
    return found


def points(scores: Dict[str, float]) -> Dict[str, float]:
    """The same, of which there has to be one."""
    found = figures(scores)
    if not found:
        raise InputError(
            f"none of the figures {', '.join(scores) or 'of the metric'} says what a file is worth",
            ", ".join(_FIGURES[:8]),
            "give a --config whose evaluation has one, or pictures with --images",
        )
    return found


class Images:
    """The images of a reduction: those that ranges are taken of, and those that the loss is measured on.

    Ranges are taken of a folder's pictures, or of the config's training set, or without one of its test set. The loss
    is measured on the test set; without one, on the folder's other pictures. No image is in both.

    Args:
        settings: what is asked for.
        float32: the path of the file in float32.

    Attributes:
        source: what ranges are taken of.

    Raises:
        InputError: there are none.
    """

    def __init__(self, settings: PrecisionSettings, float32: str) -> None:
        if settings.images is None and settings.config is None:
            raise InputError(
                f"{settings.precision} has no images to calibrate and to measure on",
                "--config CONFIG with a data set, or --images DIR",
                "give one of them",
            )
        self._settings, self._float32 = settings, float32
        self._notes: List[str] = []
        self._broken: Dict[str, str] = {}
        self._pictures = pictures_in(settings.images) if settings.images is not None else []
        self._test = self._test_set()
        self._apart = 0
        self.source = ""

    @property
    def notes(self) -> List[str]:
        """What is to be told."""
        broken = list(self._broken.values())
        more = f", and {len(broken) - 1} more" if len(broken) > 1 else ""
        return [*self._notes, *(f"pictures are left out: {first}{more}" for first in broken[:1])]

    def calibration(self) -> List[Feeds]:
        """What the file takes, of each image that ranges are taken of."""
        wanted = self._settings.calibrate
        if self._pictures:
            self.source = str(self._settings.images)
            found = self._prepared(self._readable(self._pictures if self._test else self._pictures[::2], wanted))
        else:
            images = self._set(wanted)
            self.source = images.title
            found = images.feeds(self._float32)
        if len(found) < wanted:
            self._notes.append(f"ranges are taken of {len(found)} images, not of {wanted}: there are no more")
        return found

    def examples(self) -> List[Feeds]:
        """What the file takes, of a few images that are measured on."""
        if self._test is not None:
            return self._test.feeds(self._float32, _FEW)
        return self._prepared(self._rest(_FEW))

    def shown(self, most: int) -> List[str]:
        """Some pictures of those that are measured on."""
        return self._rest(most) if self._test is None else self._test.pictures(most)

    def measure(self, runtime: str) -> Measure:
        """What the loss is measured on, in a runtime."""
        settings = self._settings
        if self._test is not None:
            return ByMetric(self._scored(self._apart), self._float32, runtime)
        return ByAgreement(self._rest(settings.measure), str(settings.images), self._float32, runtime)

    def _rest(self, most: int) -> List[str]:
        """Some of the pictures that ranges are not taken of."""
        return self._readable(self._pictures[1::2] if self._settings.precision == "int8" else self._pictures, most)

    def _readable(self, pictures: Sequence[str], most: int) -> List[str]:
        """The first ones that can be read; the others are told of.

        Raises:
            InputError: none can.
        """
        found: List[str] = []
        for picture in pictures:
            if len(found) == most:
                break
            try:
                check_picture(picture)
                found.append(picture)
            except InputError as error:
                self._broken[picture] = error.what
        if not found:
            raise InputError(
                f"--images {self._settings.images!r} holds {len(self._pictures)} pictures, of which "
                f"{len(pictures)} are left to be read here, and none can be",
                "two pictures or more for int8, one half for ranges and one to measure the loss on",
                "put more pictures there",
            )
        return found

    def _test_set(self) -> Optional[ScoredSet]:
        """The config's test set; None where there are pictures, and it is not there."""
        if self._settings.config is None:
            return None
        try:
            return self._scored(0)
        except InputError as error:
            if self._settings.images is None:
                raise
            self._notes.append(f"the loss is measured on pictures alone: {error.what}")
            return None

    def _scored(self, without: int) -> ScoredSet:
        settings = self._settings
        return ScoredSet(
            str(settings.config),
            self._float32,
            settings.cfg_options,
            most=settings.measure,
            without=without,
            metrics=settings.metrics,
        )

    def _set(self, wanted: int) -> ScoredSet:
        """The training set, or a part of the test set, which is then not measured on."""
        config, options = str(self._settings.config), self._settings.cfg_options
        try:
            return ScoredSet(config, self._float32, options, of_training=True, most=wanted)
        except InputError as error:
            self._apart = wanted
            reason = error.what.replace("the test set", "the training set")
            self._notes.append(f"ranges are taken of images of the test set: {reason}")
            return ScoredSet(config, self._float32, options, most=wanted)

    def _prepared(self, pictures: Sequence[str]) -> List[Feeds]:
        model = open_model(self._float32, "cpu")
        ready = [model.ready(picture) for picture in pictures]
        return [{"input": one.feed, **one.placed, **one.beside} for one in ready]


def digest(images: Sequence[Feeds]) -> str:
    """SHA-256 of what was fed."""
    found = hashlib.sha256()
    for feeds in images:
        for name in sorted(feeds):
            found.update(name.encode())
            found.update(np.ascontiguousarray(feeds[name]).tobytes())
    return found.hexdigest()
