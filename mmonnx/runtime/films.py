"""Films: which frames of a video, or of a folder of them, a test pipeline takes, and how they are read."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, List, Mapping, Optional, Sequence, Tuple, Union

import cv2
import numpy as np

from ..support import InputError, quiet
from .images import VIDEOS, find_sources, is_video, read_image

Step = Mapping[str, Any]
_FIELD = re.compile(r"\{[^}]*\}")
_TEMPLATE = re.compile(r"[\w. -]*\{(:0?[0-9]?d?)?\}[\w. -]*")
"""Names of frames, with one number in them; nothing else is formatted that a stranger's file asks for."""
_MOST_FRAMES = 1 << 20


@dataclass(frozen=True)
class Film:
    """The frames of a film that a test pipeline takes.

    Attributes:
        frames: (n, H, W, 3) BGR uint8, each once, in their order.
        places: which of them each frame of each clip is, clip by clip.
        shape: (height, width, 3) of the film itself, in pixels.
    """

    frames: np.ndarray
    places: np.ndarray
    shape: Tuple[int, int, int]

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""
        return int(self.frames.nbytes)

    @property
    def middle(self) -> np.ndarray:
        """The frame in the middle of those that are seen, (H, W, 3)."""
        found: np.ndarray = self.frames[len(self.frames) // 2]
        return found


def frame_numbers(step: Step, total: int) -> np.ndarray:
    """The frames of a film that are seen, clip by clip, counted from 0: mmaction2's arithmetic of test mode.

    Args:
        step: of the type ``frames``, see ``runtime.clips``.
        total: how many the film has.
    """
    starts = _dense(step, total) if step["how"] == "dense" else _even(step, total)
    numbers = starts[:, None] + np.arange(step["clip_len"])[None] * step["interval"]
    if step["past_end"] == "loop":
        return np.concatenate(np.mod(numbers, total)).astype(np.int64)
    inside = numbers < total
    last = np.max(inside * numbers, axis=1)
    return np.concatenate(np.where(inside, numbers, last[:, None])).astype(np.int64)


def _even(step: Step, total: int) -> np.ndarray:
    """Where clips begin that lie in the middle of equal parts of a film; all at its start, if it is too short."""
    clips, length = step["clips"], step["clip_len"] * step["interval"]
    if total < length:
        return np.zeros(clips, np.int64)
    part = (total - length + 1) / float(clips)
    edges = np.arange(clips) * part
    starts = (edges + part / 2.0).astype(np.int64)
    return np.concatenate([starts, edges]) if step.get("twice") else starts


def _dense(step: Step, total: int) -> np.ndarray:
    """Where clips begin that lie close to each other, several times along a film."""
    positions = max(1, 1 + total - step["range"])
    begins = np.linspace(0, positions - 1, num=step["positions"], dtype=int)
    offsets = np.arange(step["clips"]) * (step["range"] // step["clips"])
    return np.concatenate([(offsets + begin) % total for begin in begins])


def read_film(
    film: Union[str, "os.PathLike[str]", np.ndarray], step: Step, resize: Callable[[np.ndarray], np.ndarray]
) -> Film:
    """Read of a film what a test pipeline takes.

    Args:
        film: a video, a folder of frames that are called as ``step`` says, or all frames (n, H, W, 3) BGR uint8.
        step: of the type ``frames``.
        resize: is applied to each frame, so that large ones take no memory.

    Raises:
        InputError: it does not exist, cannot be read, or has no frame.
    """
    if isinstance(film, np.ndarray):
        return _taken(len(_check_frames(film)), lambda number: film[number], step, resize)
    path = os.fspath(film)
    if os.path.isdir(path):
        first, template = int(step["first"]), str(step["template"])
        names = [_named(path, template, first + number) for number in range(_count(path, template))]
        return _taken(len(names), lambda number: read_image(names[number]), step, resize)
    if not os.path.isfile(path):
        raise InputError(f"video {path!r} does not exist", "a video, or a folder of frames", "check the path")
    reader = _Reader(path)
    try:
        return _taken(reader.count, reader.read, step, resize)
    finally:
        reader.close()


def find_films(names: Sequence[str]) -> List[str]:
    """The videos and folders of frames that arguments mean; a folder with videos means these.

    Raises:
        InputError: one of them is, or holds, none.
    """
    found: List[str] = []
    for name in names:
        entries = sorted(os.listdir(name)) if os.path.isdir(name) else []
        if any(entry.lower().endswith(VIDEOS) for entry in entries):
            paths = [os.path.join(name, entry) for entry in entries if entry.lower().endswith(VIDEOS)]
        elif os.path.isdir(name):
            folders = [os.path.join(name, entry) for entry in entries if os.path.isdir(os.path.join(name, entry))]
            paths = folders or [name]
        else:
            paths = find_sources([name])
        wrong = next((path for path in paths if not os.path.isdir(path) and not is_video(path)), None)
        if wrong is not None:
            raise InputError(f"{wrong!r} is no video", f"files such as {', '.join(VIDEOS[:3])}, folders of frames", "")
        found += [path for path in paths if path not in found]
    return found


def _taken(
    count: int, read: Callable[[int], np.ndarray], step: Step, resize: Callable[[np.ndarray], np.ndarray]
) -> Film:
    if not count:
        raise InputError("the film has no frame", "one frame or more", "give another one")
    numbers, places = np.unique(frame_numbers(step, count), return_inverse=True)
    shape: Tuple[int, ...] = ()
    frames = []
    for number in numbers.tolist():
        frame = read(number)
        if shape not in ((), frame.shape):
            raise InputError(
                f"frame {number} is {frame.shape[1]}x{frame.shape[0]}, and the first one {shape[1]}x{shape[0]}",
                "frames of one size",
                "give another film",
            )
        shape = frame.shape
        frames.append(resize(frame))
    return Film(np.stack(frames), places.reshape(-1), (shape[0], shape[1], shape[2]))


def _check_frames(frames: np.ndarray) -> np.ndarray:
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8:
        raise InputError(
            f"a film is {frames.dtype} {frames.shape}", "uint8 (frames, height, width, 3), BGR", "convert it"
        )
    return frames


def _count(folder: str, template: str) -> int:
    """How many files of a folder are called as a template has it."""
    pattern = re.compile("^" + _FIELD.sub(r"\\d+", template, count=1) + "$")
    count = sum(pattern.match(name) is not None for name in os.listdir(folder))
    if not count:
        raise InputError(
            f"folder {folder!r} has no frame", f"files called {template}, as the config has it", "rename them"
        )
    return count


def _named(folder: str, template: str, number: int) -> str:
    return str(Path(folder) / template.format(number))


class _Reader:
    """The frames of a video by number, as mmcv's ``VideoReader`` gives them.

    Raises:
        InputError: OpenCV cannot read it.
    """

    def __init__(self, path: str) -> None:
        self._path, self._next = path, 0
        with quiet():
            self._capture = cv2.VideoCapture(path)
        if not self._capture.isOpened():
            raise InputError(f"video {path!r} cannot be read", "a format of OpenCV, such as MP4", "give another one")
        self.count = min(max(int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0), _MOST_FRAMES)

    def read(self, number: int) -> np.ndarray:
        """A frame; the one before where OpenCV has none of its number, as of some videos' last ones."""
        while number >= 0:
            frame = self._at(number)
            if frame is not None:
                return frame
            number -= 1
        raise InputError(f"video {self._path!r} has no frame that can be read", "a whole video", "give another one")

    def _at(self, number: int) -> Optional[np.ndarray]:
        with quiet():
            if number != self._next:
                self._capture.set(cv2.CAP_PROP_POS_FRAMES, number)
                for _ in range(number - round(self._capture.get(cv2.CAP_PROP_POS_FRAMES))):
                    self._capture.read()
            there, frame = self._capture.read()
        self._next = number + 1 if there else -1
        return frame if there else None

    def close(self) -> None:
        """Give the file back."""
        self._capture.release()


def check_step(step: Step) -> None:
    """Raise KeyError, TypeError or ValueError where a step of the type ``frames`` cannot be one that mmonnx wrote."""
    numbers = ["clip_len", "interval", "clips", "first", *(["range", "positions"] if step["how"] == "dense" else [])]
    if any(int(step[name]) < (0 if name == "first" else 1) for name in numbers) or step["how"] not in ("even", "dense"):
        raise ValueError("frames")
    if step["past_end"] not in ("loop", "last") or not _TEMPLATE.fullmatch(step["template"]):
        raise ValueError("frames")
    if step["clips"] * step["clip_len"] * int(step.get("positions", 1)) > _MOST_FRAMES:
        raise ValueError("frames")
