"""What is drawn: a picture for each picture, a video for each video."""

import contextlib
import os
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

import cv2
import numpy as np

from ...support import InputError
from ..editors import ImageEditor
from ..images import is_video
from ..recognizers import Recognizer

_PICTURES = (".jpg", ".jpeg", ".png")
_OF_FILMS = ".jpg"


def targets(sources: Sequence[str], out: Optional[str], suffix: Optional[str] = None) -> Dict[str, str]:
    """Where the drawing of each source goes: by its name, with a number where two have the same.

    Args:
        sources: pictures and videos.
        out: the folder, None for no drawings.
        suffix: see ``suffix_of``.

    Raises:
        InputError: one would take the place of a source.
    """
    found: Dict[str, str] = {}
    taken = set()
    for source in sources if out is not None else ():
        stem, ending = os.path.splitext(os.path.basename(source))[0], suffix_of(source, suffix)
        name, number = stem + ending, 1
        while name in taken:
            name, number = f"{stem}_{number}{ending}", number + 1
        taken.add(name)
        found[source] = os.path.join(str(out), name)
        if os.path.realpath(found[source]) == os.path.realpath(source):
            raise InputError(f"{source!r} would be overwritten", "another folder for --out", "give another one")
    return found


def suffix_for(model: Any) -> Optional[str]:
    """How the names of a model's drawings end, None for as those of the pictures do.

    What an editor makes is to stay as it is; of a film that has one answer, one frame is drawn.
    """
    if isinstance(model, Recognizer):
        return _OF_FILMS
    return ".png" if isinstance(model, ImageEditor) else None


def suffix_of(source: str, suffix: Optional[str] = None) -> str:
    """How the name of a source's drawing ends; ``suffix`` is of all pictures', None for each as its source's."""
    if is_video(source) and suffix != _OF_FILMS:
        return ".mp4"
    own = os.path.splitext(source)[1]
    return suffix or (own if own.lower() in _PICTURES else ".png")


def encoded(image: np.ndarray, suffix: str) -> bytes:
    """A picture as what a file with such a name holds; OSError where OpenCV cannot make it."""
    done, data = cv2.imencode(suffix, image)
    if not done:
        raise OSError(f"OpenCV cannot encode a picture as {suffix}")
    return data.tobytes()


@contextlib.contextmanager
def movie(target: Path, rate: float) -> Iterator[Callable[[np.ndarray], None]]:
    """A function that appends a frame to a video."""
    writers: List[Any] = []

    def write(image: np.ndarray) -> None:
        if not writers:
            size = (image.shape[1], image.shape[0])
            kind = cv2.VideoWriter_fourcc(*"mp4v")  # type: ignore[attr-defined]  # OpenCV's stubs lack it
            writers.append(cv2.VideoWriter(str(target), kind, rate, size))
            if not writers[0].isOpened():
                raise OSError("this OpenCV cannot write MP4 videos")
        writers[0].write(image)

    try:
        yield write
    finally:
        for writer in writers:
            writer.release()
