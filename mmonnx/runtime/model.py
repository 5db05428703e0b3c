"""What all exported files that take pictures have in common: pictures in, the network's outputs out."""

import contextlib
import os
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import cv2
import numpy as np

from ..support import InputError, first_line, type_and_line
from . import pipeline
from .description import Description
from .engines import DEFAULT
from .images import check_array, count_channels, read_picture
from .opening import AnySession, open_session
from .placement import placing
from .prompts import TEXT_INPUTS
from .session import Session

Picture = Union[str, "os.PathLike[str]", np.ndarray]


_OF_PICTURES = 4
_RANKS = (_OF_PICTURES, 5, 6)
"""The axes of (N, C, H, W), and those of clips, (N, M, C, H, W) and (N, M, C, T, H, W)."""
NO_IMAGE = np.empty((0, 0, 3), np.uint8)


class Ready(NamedTuple):
    """A picture on its way into the network.

    Attributes:
        feed: (1, C, H, W) float32; (n, C, H, W) of a picture of which the network gets n crops; (1, H, W, 3) uint8
            for a file that does the rest.
        placed: the other inputs of the network, by name.
        prepared: where the picture is in ``feed``; without its image.
        crops: the same of each crop.
        beside: (1, c, h, w) float32 of each further picture that the network takes, by the input's name.
    """

    feed: np.ndarray
    placed: Dict[str, np.ndarray]
    prepared: pipeline.Prepared
    crops: Sequence[pipeline.Prepared] = ()
    beside: Mapping[str, np.ndarray] = MappingProxyType({})

    @property
    def pixels(self) -> int:
        """How many pixels the network gets, of all channels as one."""
        return int(self.feed.size // 3 if self.feed.dtype == np.uint8 else self.feed[:, 0].size)

    @property
    def group(self) -> Tuple[Any, ...]:
        """Pictures with the same one may be in one batch: the file takes one size, and one place, for all of it."""
        placed = tuple((name, *value.tolist()) for name, value in sorted(self.placed.items()))
        return self.feed.shape[1:], placed, tuple((name, value.shape) for name, value in sorted(self.beside.items()))


class Model:
    """What detectors, segmentors, pose estimators, image editors, classifiers and recognizers have in common.

    Args:
        path: an ONNX file that mmonnx wrote.
        device: ``cpu``, ``cuda``, ``cuda:1``; ``auto`` takes the GPU where this ONNX Runtime can use one.
        runtime: what runs it, ``onnxruntime`` or one of ``runtime.ENGINES``; the others take the CPU alone.

    Attributes:
        description: what the file says of itself.
        classes: its class names, may be empty.
        stretches: a file of one size gets pictures of another aspect stretched to it; else they are padded.

    Raises:
        InputError: the file does not exist, does not load, does not describe itself or is of another task, or the
            device or the runtime is not there.
    """

    tasks: Tuple[str, ...] = ()
    stretches = False
    own_inputs: Sequence[str] = ()
    """What it gives the file itself, beside pictures."""

    def __init__(self, path: Union[str, "os.PathLike[str]"], device: str = "auto", *, runtime: str = DEFAULT) -> None:
        self._start(os.fspath(path), open_session(os.fspath(path), device, runtime))

    def _start(self, path: str, session: AnySession) -> None:
        self._path, self._session = path, session
        self.description = description(session, path)
        self.classes = tuple(self.description.classes)
        self._beside = self.description.companions
        self._asked: Dict[str, np.ndarray] = {}
        self._check()
        self._size, self._channels = _fixed_size(self._session), _channels(self._session)
        steps = self.description.pipeline or []
        pipeline.check(steps, f"'{self._path}'")
        with as_exported(path, "has a test pipeline that cannot be applied"):
            self._steps = self._adapted(steps)

    def _adapted(self, steps: List[pipeline.Step]) -> List[pipeline.Step]:
        """The pipeline for the file's own size, if it has one."""
        return pipeline.for_fixed_size(steps, self._size, self.stretches) if self._size else steps

    @property
    def left_out(self) -> List[str]:
        """What the config's test pipeline does beyond one pass, such as flipped images; the file does not."""
        return [step["what"] for step in self._steps if step["type"] == "left out"]

    @property
    def most_pixels(self) -> Optional[int]:
        """The most that the network gets of a picture, None where a longer one becomes more."""
        return pipeline.most_pixels(self._steps)

    @property
    def prepares(self) -> bool:
        """Whether the file takes prepared floats (N, C, H, W); else it takes bytes (N, H, W, 3), and does the rest."""
        return not _takes_bytes(self._session)

    def read(self, picture: Picture) -> np.ndarray:
        """A picture as the file's test pipeline reads it, (H, W) for one channel, else (H, W, C).

        Args:
            picture: an image file, a TIFF of many channels, or a ``.npy`` file; or such an array.

        Raises:
            InputError: it cannot be read, or has another number of channels than the file takes.
        """
        how = pipeline.reading(self._steps)
        deep = how["color"] == "unchanged" or self._channels not in (1, 3)
        if isinstance(picture, np.ndarray):
            image, name = check_array(picture, "an image"), "an image"
        else:
            name = f"image {os.fspath(picture)!r}"
            image = read_picture(os.fspath(picture), self._channels, how["color"] if not deep else "unchanged")
            if how["to_rgb"]:
                image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        channels = count_channels(image)
        grey = any(step["type"] == "grey" for step in self._steps)
        if channels != self._channels and not (grey and channels == 3):
            raise InputError(
                f"{name} has {channels} channel{'' if channels == 1 else 's'}",
                f"{self._channels} for '{self._path}'",
                "give another one, a TIFF of so many channels, or a .npy file of (height, width, channels)",
            )
        if image.dtype != np.uint8 and not deep:
            raise InputError(f"{name} is {image.dtype} {image.shape}", "uint8, BGR if in colour", "convert it before")
        return image

    def prepare(self, picture: Picture, size: Optional[Tuple[int, int]] = None) -> np.ndarray:
        """What the network takes of a picture, (1, C, H, W) float32; errors are those of ``read``.

        Args:
            picture: see ``read``.
            size: (height, width) in pixels in the place of what the test pipeline makes of it; not where the file's
                own is fixed.
        """
        steps = self._steps
        if size and not self._size:
            steps = pipeline.for_fixed_size(steps, size, self.stretches)
        with as_exported(self._path, "has a test pipeline that cannot be applied"):
            prepared = pipeline.apply(steps, self.read(picture))
            return prepared.feed if self.prepares else prepared.image[None]

    def class_name(self, label: int) -> str:
        """The name of a class, or its number where the file has no names."""
        return str(self.classes[label]) if 0 <= label < len(self.classes) else f"class {label}"

    def _check(self) -> None:
        found, needed = self.description.task, set(self._session.input_names) - {"input"} - set(self._beside)
        needed -= set(TEXT_INPUTS if self.description.prompt is not None else ())
        needed -= set(self.own_inputs)
        if found not in self.tasks or self.description.pipeline is None:
            what = f"is for {found}" if found not in self.tasks else "has no test pipeline"
            raise InputError(
                f"'{self._path}' {what}", f"a file for {' or '.join(self.tasks)}, with its pipeline", "give another one"
            )
        if needed or "input" not in self._session.input_names:
            raise InputError(
                f"'{self._path}' takes {', '.join(sorted(needed)) or 'no input'}", "images only", "give another one"
            )

    @property
    def session(self) -> AnySession:
        """The loaded file."""
        return self._session

    @property
    def batch(self) -> Optional[int]:
        """How many images the file takes at a time; None for any number."""
        size = self._session.input_shape("input")[0]
        return size if isinstance(size, int) else None

    def ready(self, picture: Picture) -> Ready:
        """A picture as the network takes it.

        Args:
            picture: see ``read``.

        Raises:
            InputError: it cannot be read, or not be brought into the network's size.
        """
        image = self.read(picture)
        with as_exported(self._path, "has a test pipeline that cannot be applied"):
            prepared = pipeline.apply(self._steps, image)
        feed = prepared.feed if self.prepares else prepared.image[None]
        if self._size and prepared.image.shape[:2] != self._size:
            raise InputError(
                f"'{self._path}' takes images of {self._size[1]}x{self._size[0]}, and its pipeline makes one of "
                f"{prepared.image.shape[1]}x{prepared.image.shape[0]}",
                "a pipeline that makes images of that size",
                "export the model again, with --dynamic-export",
            )
        placed = placing(self._session.optional_names, prepared.shape, prepared.offset, prepared.original)
        return Ready(feed, placed, replace(prepared, image=NO_IMAGE))

    def run(self, pictures: Sequence[Ready]) -> List[Dict[str, np.ndarray]]:
        """Run the network once.

        Args:
            pictures: those of one ``group``, as many as ``batch`` at most.

        Returns:
            The outputs for each, without the batch's axis; ``read_answer`` makes answers of them.

        Raises:
            InputError: the runtime refuses them.
        """
        missing = (self.batch or len(pictures)) - len(pictures)
        rows = [*pictures, *[pictures[-1]] * missing]
        feeds = {"input": _stacked([one.feed for one in rows]), **pictures[0].placed, **self._shared(len(rows))}
        feeds.update({name: _stacked([one.beside[name] for one in rows]) for name in pictures[0].beside})
        try:
            outputs = self._session.run(feeds)
        except Exception as error:  # each runtime has its own
            height, width = pictures[0].prepared.original
            raise InputError(
                f"'{self._path}' does not run on an image of {width}x{height} ({first_line(error)[:300]})",
                "a file that takes images of this size",
                "export it with --dynamic-export, or give another image",
            ) from error
        with as_exported(self._path, "has outputs that cannot be read"):
            return [{name: value[row] for name, value in outputs.items()} for row in range(len(pictures))]

    def _shared(self, count: int) -> Dict[str, np.ndarray]:
        """What the file takes beside so many pictures, whatever they are: a text."""
        if self.description.prompt is not None and not self._asked:
            raise InputError(
                f"'{self._path}' takes text beside a picture", "what to look for", 'ask it first: ask("person . car .")'
            )
        return self._asked

    def _answer(self, picture: Picture) -> Tuple[Ready, Dict[str, np.ndarray]]:
        ready = self.ready(picture)
        return ready, self.run([ready])[0]


def _stacked(rows: Sequence[np.ndarray]) -> np.ndarray:
    return rows[0] if len(rows) == 1 else np.concatenate(rows)


def description(session: AnySession, path: str) -> Description:
    """What a file says of itself.

    Raises:
        InputError: it says nothing, or what makes no sense.
    """
    with as_exported(path, "has broken metadata"):
        return Description.from_properties(session.properties, path)


@contextlib.contextmanager
def as_exported(path: str, problem: str) -> Iterator[None]:
    """Refuse a file that is not as ``mmonnx export`` writes it; a stranger's may say or give anything."""
    try:
        yield
    except (MemoryError, InputError):
        raise
    except Exception as error:  # of numpy and OpenCV, and those of values that are of another kind
        raise InputError(
            f"'{path}' {problem} ({type_and_line(error)[:200]})", "a file that mmonnx export wrote", "export it again"
        ) from error


def _takes_bytes(session: AnySession) -> bool:
    """Whether the input is (N, H, W, 3) of bytes."""
    if not isinstance(session, Session) or "input" not in session.input_names:
        return False
    return session.input_type("input") == "tensor(uint8)"


def _channels(session: AnySession) -> int:
    """The channels of the input's images; three where the file does not say."""
    if _takes_bytes(session):
        return 3
    shape: Sequence[Any] = session.input_shape("input") if "input" in session.input_names else ()
    axis = 1 if len(shape) == _OF_PICTURES else 2
    return int(shape[axis]) if len(shape) in _RANKS and isinstance(shape[axis], int) else 3


def _fixed_size(session: AnySession) -> Optional[Tuple[int, int]]:
    """(height, width) of the input, None if they are dynamic."""
    shape: Sequence[Any] = session.input_shape("input") if "input" in session.input_names else ()
    sides = shape[1:3] if _takes_bytes(session) else shape[-2:]
    if len(shape) not in _RANKS or not all(isinstance(side, int) for side in sides):
        return None
    return int(sides[0]), int(sides[1])
