"""The pictures of a run, in order: files, and the frames of videos, without those that an earlier run has done."""

from dataclasses import dataclass, field
from typing import Callable, Dict, Iterator, NamedTuple, Optional, Sequence, Set

import numpy as np

from ...support import InputError
from ..images import Video, is_video
from .records import Key, Record, key_of


class Item(NamedTuple):
    """A picture.

    Attributes:
        path: of its file.
        frame: its number in a video; None for a file that is a picture.
        image: a frame, BGR uint8 (H, W, 3); None for a file, which is not read yet.
        last: whether its file ends with it.
        frames: of the video, by its own count.
        rate: of the video, frames a second.
        answered: an earlier run did, and it is there to be drawn again.
        error: why it cannot be read, where that is known.
        content: gives what is in its file, where that is not on a disk; raises what ``Detector.read`` does.
    """

    path: str
    frame: Optional[int] = None
    image: Optional[np.ndarray] = None
    last: bool = True
    frames: int = 0
    rate: float = 0.0
    answered: bool = False
    error: Optional[InputError] = None
    content: Optional[Callable[[], bytes]] = None

    @property
    def key(self) -> Key:
        """What it is called in the answers."""
        return self.path, self.frame


@dataclass
class Done:
    """What an earlier run has done.

    Attributes:
        files: the files all of which is.
        frames: how many frames of a video are, from its first one on.
    """

    files: Set[str] = field(default_factory=set)
    frames: Dict[str, int] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Take in what was written of a picture."""
        path, frame = key_of(record)
        if frame is None or record.get("last"):
            self.files.add(path)
        else:
            self.frames[path] = frame + 1


def items(sources: Sequence[str], done: Done, draws: bool, films: bool = False) -> Iterator[Item]:
    """What is to be done.

    Args:
        sources: pictures and videos.
        done: what is left out.
        films: a video has one answer, and not one for each frame.
        draws: a video that was begun comes from its start, as what was drawn of it is lost.
    """
    for path in sources:
        if path in done.files:
            continue
        if is_video(path) and not films:
            yield from _frames(path, done.frames.get(path, 0), draws)
        else:
            yield Item(path)


def _frames(path: str, answered: int, draws: bool) -> Iterator[Item]:
    """The frames of a video, each when the next one has been seen, as that is how the last one is known."""
    before = None
    try:
        video = Video(path)
    except InputError as error:
        yield Item(path, error=error)
        return
    for number, image in enumerate(video):
        if before is not None and (draws or not before.answered):
            yield before
        before = Item(path, number, image, False, video.frames, video.rate, number < answered)
    if before is None:
        problem = f"video {path!r} has no frame"
        yield Item(path, error=InputError(problem, "a whole video", "give another one"))
    elif draws or not before.answered:
        yield before._replace(last=True)
