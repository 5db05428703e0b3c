"""Recognizers: an exported file that takes clips of films, and says what is done in them."""

import os
from typing import Any, Dict, List, Sequence, Tuple, Union

import numpy as np

from ..support import InputError
from . import drawing, pipeline
from .films import Film, read_film
from .model import NO_IMAGE, Model, Ready, as_exported
from .results import Scores

AnyFilm = Union[str, "os.PathLike[str]", np.ndarray, Film]
_OF_2D = 5
"""(N, M, C, H, W), where there is no axis for the time."""


class Recognizer(Model):
    """Says what is done in a film, as mmaction2's ``inference_recognizer``.

    Its pipeline begins with a step ``frames``: which frames of a film are seen. They are ``even`` or ``dense``
    (``how``), ``clips`` clips of ``clip_len`` frames that are ``interval`` apart, at ``positions`` places of parts of
    ``range`` frames each; ``past_end`` is ``loop`` or ``last``; files of frames are called by ``template``, from
    ``first`` on. After that frames are resized, ``views`` cuts out the ``centre``, ``three`` or ``ten`` parts of a
    ``size``, and they are normalized.
    """

    tasks = ("action recognition",)

    def __call__(self, film: AnyFilm) -> Scores:
        """The scores of the classes.

        Args:
            film: a video, a folder of frames, or all frames (n, H, W, 3) BGR uint8.

        Raises:
            InputError: it cannot be read, or not be brought into the network's size.
        """
        ready = self.ready(film)
        return self.read_answer(ready, self.run([ready])[0])

    def read(self, film: AnyFilm) -> Film:  # type: ignore[override]
        """What the file's test pipeline sees of a film: frames of the size that it makes of them.

        Raises:
            InputError: it cannot be read.
        """
        if isinstance(film, Film):
            return film
        resizing = [step for step in self._steps if step["type"] == "resize"]
        sampling = next((step for step in self._steps if step["type"] == "frames"), None)
        if sampling is None:
            raise InputError(f"'{self._path}' does not say which frames it sees", "a whole pipeline", "export it again")
        return read_film(film, sampling, lambda frame: pipeline.apply(resizing, frame).image)

    def ready(self, film: AnyFilm) -> Ready:
        """A film as the network takes it; errors as of a call."""
        found = self.read(film)
        with as_exported(self._path, "has a test pipeline that cannot be applied"):
            views = _views(self._steps, found.frames)
            feed = self._stacked_views(views, found.places)
        wanted: Sequence[Any] = self._session.input_shape("input")
        if any(isinstance(want, int) and want != have for want, have in zip(wanted[1:], feed.shape[1:])):
            raise InputError(
                f"'{self._path}' takes clips {_shown(wanted[1:])}, and its pipeline makes {_shown(feed.shape[1:])}",
                "a file that takes any number of clips, and any size",
                "export the model again, with --dynamic-export or --dynamic-batch",
            )
        size = found.shape[:2]
        return Ready(feed, {}, pipeline.Prepared(NO_IMAGE, size, size))

    def _stacked_views(self, views: List[np.ndarray], places: np.ndarray) -> np.ndarray:
        """(1, M, C, T, H, W) or (1, M, C, H, W) of the parts of the frames, (n, H, W, C) each."""
        frames = np.concatenate([view[places] for view in views]).transpose(0, 3, 1, 2)
        if len(self._session.input_shape("input")) == _OF_2D:
            return np.ascontiguousarray(frames[None])
        length = next(int(step["clip_len"]) for step in self._steps if step["type"] == "frames")
        clips = frames.reshape(-1, length, *frames.shape[1:]).transpose(0, 2, 1, 3, 4)
        return np.ascontiguousarray(clips[None])

    def run(self, pictures: Sequence[Ready]) -> List[Dict[str, np.ndarray]]:
        """Run the network on each film by itself: one that averages no clips gives an answer for each of them.

        Upstream takes the first one. See ``Model.run``.
        """
        return [super(Recognizer, self).run([one])[0] for one in pictures]

    def read_answer(self, ready: Ready, outputs: Dict[str, np.ndarray]) -> Scores:
        """What ``run`` gave of a film, as a call of this gives it.

        Raises:
            InputError: the outputs are not those of such a file.
        """
        with as_exported(self._path, "has outputs that cannot be read"):
            (scores,) = outputs.values()
            (_,) = scores.shape
            return Scores(scores.astype(np.float32))

    def top(self, found: Scores, count: int = 5) -> List[Tuple[int, str, float]]:
        """The best classes: index, name and score."""
        best = np.argsort(-found.probs, kind="stable")[:count].tolist()
        return [(label, self.class_name(label), float(found.probs[label])) for label in best]

    def draw(self, film: AnyFilm, found: Scores, score_thr: float = 0.0) -> np.ndarray:
        """A frame out of the middle above bars of the best classes, BGR; scores below the threshold are left out."""
        canvas = drawing.enlarged(self.read(film).middle)[0]
        kept = found.probs >= score_thr
        labels = np.arange(len(found.probs))
        return np.vstack([canvas, drawing.bars(Scores(found.probs[kept], labels[kept]), canvas.shape[1], self.classes)])

    def _adapted(self, steps: List[pipeline.Step]) -> List[pipeline.Step]:
        return steps


def _views(steps: Sequence[pipeline.Step], frames: np.ndarray) -> List[np.ndarray]:
    """The parts of resized frames (n, H, W, 3) that the network sees, normalised, in upstream's order."""
    cuts = next((step for step in steps if step["type"] == "views"), None)
    norms = [step for step in steps if step["type"] == "normalize"]
    found = [frames] if cuts is None else _cut(cuts, frames)
    return [np.stack([pipeline.apply(norms, frame).image for frame in view]).astype(np.float32) for view in found]


def _cut(step: pipeline.Step, frames: np.ndarray) -> List[np.ndarray]:
    (height, width), (high, wide) = frames.shape[1:3], step["size"]
    down, across = height - high, width - wide
    if down < 0 or across < 0 or (step["how"] == "three" and down and across):
        raise InputError(
            f"frames of {width}x{height} have no {step['how']} parts of {wide}x{high}",
            "larger frames" if down < 0 or across < 0 else "parts as high, or as wide, as the frames",
            "give another film",
        )
    if step["how"] == "centre":
        corners = [(down // 2, across // 2)]
    elif step["how"] == "three":
        half = (down // 2, across // 2)
        corners = [(0, 0), (2 * half[0], 2 * half[1]), half]
    else:
        rows, columns = down // 4, across // 4
        corners = [(0, 0), (0, 4 * columns), (4 * rows, 0), (4 * rows, 4 * columns), (2 * rows, 2 * columns)]
    parts = [frames[:, top : top + high, left : left + wide] for top, left in corners]
    if step["how"] == "ten":
        return [one for part in parts for one in (part, part[:, :, ::-1])]
    return parts


def _shown(shape: Sequence[Any]) -> str:
    return "x".join(map(str, shape))
