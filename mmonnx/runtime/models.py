"""Detectors, segmentors and classifiers: an exported file that takes pictures."""

import contextlib
import os
from dataclasses import replace
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Type, Union

import cv2
import numpy as np

from ..support import InputError, first_line, type_and_line
from . import drawing, pipeline
from . import masks as masking
from .boxes import in_picture
from .description import Description
from .engines import DEFAULT
from .images import check_array, count_channels, read_picture
from .opening import AnySession, open_session
from .placement import placing
from .results import Detections, LabelMap, Scores

Picture = Union[str, "os.PathLike[str]", np.ndarray]


_NO_IMAGE = np.empty((0, 0, 3), np.uint8)


class Ready(NamedTuple):
    """A picture on its way into the network.

    Attributes:
        feed: (1, C, H, W) float32.
        placed: the other inputs of the network, by name.
        prepared: where the picture is in ``feed``; without its image.
    """

    feed: np.ndarray
    placed: Dict[str, np.ndarray]
    prepared: pipeline.Prepared

    @property
    def group(self) -> Tuple[Any, ...]:
        """Pictures with the same one may be in one batch: the file takes one size, and one place, for all of it."""
        return self.feed.shape, tuple((name, *value.tolist()) for name, value in sorted(self.placed.items()))


class _Model:
    """What detectors, segmentors and classifiers have in common.

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

    def __init__(self, path: Union[str, "os.PathLike[str]"], device: str = "auto", *, runtime: str = DEFAULT) -> None:
        self._start(os.fspath(path), open_session(os.fspath(path), device, runtime))

    def _start(self, path: str, session: AnySession) -> None:
        self._path, self._session = path, session
        self.description = _description(session, path)
        self.classes = tuple(self.description.classes)
        self._check()
        self._size, self._channels = _fixed_size(self._session), _channels(self._session)
        steps = self.description.pipeline or []
        pipeline.check(steps, f"'{self._path}'")
        with _as_exported(path, "has a test pipeline that cannot be applied"):
            self._steps = pipeline.for_fixed_size(steps, self._size, self.stretches) if self._size else steps

    @property
    def left_out(self) -> List[str]:
        """What the config's test pipeline does beyond one pass, such as flipped images; the file does not."""
        return [step["what"] for step in self._steps if step["type"] == "left out"]

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
        with _as_exported(self._path, "has a test pipeline that cannot be applied"):
            return pipeline.apply(steps, self.read(picture)).feed

    def class_name(self, label: int) -> str:
        """The name of a class, or its number where the file has no names."""
        return str(self.classes[label]) if 0 <= label < len(self.classes) else f"class {label}"

    def _check(self) -> None:
        found, needed = self.description.task, set(self._session.input_names) - {"input"}
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
        with _as_exported(self._path, "has a test pipeline that cannot be applied"):
            prepared = pipeline.apply(self._steps, image)
        feed = prepared.feed
        if self._size and feed.shape[2:] != self._size:
            raise InputError(
                f"'{self._path}' takes images of {self._size[1]}x{self._size[0]}, and its pipeline makes one of "
                f"{feed.shape[3]}x{feed.shape[2]}",
                "a pipeline that makes images of that size",
                "export the model again, with --dynamic-export",
            )
        placed = placing(self._session.optional_names, prepared.shape, prepared.offset, prepared.original)
        return Ready(feed, placed, replace(prepared, image=_NO_IMAGE))

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
        images = [one.feed for one in pictures] + [pictures[-1].feed] * missing
        feeds = {"input": images[0] if len(images) == 1 else np.concatenate(images), **pictures[0].placed}
        try:
            outputs = self._session.run(feeds)
        except Exception as error:  # each runtime has its own
            height, width = pictures[0].prepared.original
            raise InputError(
                f"'{self._path}' does not run on an image of {width}x{height} ({first_line(error)[:300]})",
                "a file that takes images of this size",
                "export it with --dynamic-export, or give another image",
            ) from error
        with _as_exported(self._path, "has outputs that cannot be read"):
            return [{name: value[row] for name, value in outputs.items()} for row in range(len(pictures))]

    def _answer(self, picture: Picture) -> Tuple[Ready, Dict[str, np.ndarray]]:
        ready = self.ready(picture)
        return ready, self.run([ready])[0]


class Detector(_Model):
    """Finds objects in pictures, as mmdet's ``inference_detector``."""

    tasks = ("detection", "segmentation")

    def __call__(self, picture: Picture) -> Detections:
        """Find what is in a picture.

        Args:
            picture: an image file; or BGR uint8 (H, W, 3), or what ``read`` gives of a file for other pictures.

        Returns:
            Boxes in pixels of the picture, the best one first; masks (n, H, W) bool of the picture's size.

        Raises:
            InputError: it cannot be read, or not be brought into the network's size.
        """
        return self.read_answer(*self._answer(picture))

    def read_answer(self, ready: Ready, outputs: Dict[str, np.ndarray]) -> Detections:
        """What ``run`` gave of a picture, as a call of this gives it.

        Raises:
            InputError: the outputs are not those of such a file.
        """
        with _as_exported(self._path, "has outputs that cannot be read"):
            return self._found(ready.prepared, outputs)

    def _found(self, prepared: pipeline.Prepared, outputs: Dict[str, np.ndarray]) -> Detections:
        real = outputs["labels"] >= 0
        dets = outputs["dets"][real].astype(np.float32).reshape(-1, 5)
        limits, scale = self.description.box_limits, np.asarray(prepared.scale * 2, np.float32)
        boxes = in_picture(dets[:, :4], limits, prepared.shape, scale, prepared.offset)
        found = None
        if "masks" in outputs:
            given = outputs["masks"][real]
            if self.description.mask_output == "roi":
                found = masking.paste(given, boxes, prepared.original, self.description.mask_thr)
            else:
                found = masking.resize(given, prepared.inner or prepared.shape, prepared.original)
        scores = outputs["mask_scores"][real] if "mask_scores" in outputs else None
        return Detections(np.concatenate([boxes, dets[:, 4:]], 1), outputs["labels"][real], found, scores)

    def draw(self, picture: Picture, found: Detections, score_thr: float = 0.3) -> np.ndarray:
        """The picture with what was found in it, BGR; detections below the threshold are left out."""
        canvas = drawing.viewable(self.read(picture)).copy()
        kept = found.dets[:, 4] >= score_thr
        shown = Detections(found.dets[kept], found.labels[kept], None if found.masks is None else found.masks[kept])
        drawing.draw_detections(canvas, shown, 1, self.classes, self.description.palette)
        return canvas


class Segmentor(_Model):
    """Says what each pixel of a picture is, as mmseg's ``inference_segmentor``."""

    tasks = ("semantic segmentation",)
    stretches = True  # its answer is brought to the picture's size all the same

    def __call__(self, picture: Picture) -> LabelMap:
        """The class of each pixel.

        Args:
            picture: an image file; or BGR uint8 (H, W, 3), or what ``read`` gives of a file for other pictures.

        Returns:
            Labels (H, W) of the picture's size; and the probabilities, where the file gives them.

        Raises:
            InputError: it cannot be read, or not be brought into the network's size.
        """
        return self.read_answer(*self._answer(picture))

    def read_answer(self, ready: Ready, outputs: Dict[str, np.ndarray]) -> LabelMap:
        """What ``run`` gave of a picture, as a call of this gives it.

        Raises:
            InputError: the outputs are not those of such a file.
        """
        original = ready.prepared.original
        with _as_exported(self._path, "has outputs that cannot be read"):
            labels = outputs["seg_map"].astype(np.int64)
            (_, _), probs = labels.shape, outputs.get("seg_probs")
            if labels.shape != original:  # a file that is not told the picture's size
                rows, columns = (np.arange(want) * have // want for have, want in zip(labels.shape, original))
                labels = labels[rows[:, None], columns]
                probs = None if probs is None else probs[:, rows[:, None], columns]
            return LabelMap(labels, probs)

    def draw(self, picture: Picture, found: LabelMap, score_thr: float = 0.0) -> np.ndarray:
        """The picture tinted with the colours of the classes, BGR; ``score_thr`` is for other models."""
        return drawing.draw_label_map(drawing.viewable(self.read(picture)), found.labels, self.description.palette)


class Classifier(_Model):
    """Says what a picture shows, as mmcls's ``inference_model``."""

    tasks = ("classification",)

    def __call__(self, picture: Picture) -> Scores:
        """The scores of the classes, or of the best ones if the file gives those.

        Args:
            picture: an image file; or BGR uint8 (H, W, 3), or what ``read`` gives of a file for other pictures.

        Raises:
            InputError: it cannot be read, or not be brought into the network's size.
        """
        return self.read_answer(*self._answer(picture))

    def read_answer(self, ready: Ready, outputs: Dict[str, np.ndarray]) -> Scores:
        """What ``run`` gave of a picture, as a call of this gives it.

        Raises:
            InputError: the outputs are not those of such a file.
        """
        with _as_exported(self._path, "has outputs that cannot be read"):
            if "labels" in outputs:
                scores, labels = outputs["scores"], outputs["labels"]
                return Scores(scores.astype(np.float32), labels.astype(np.int64).reshape(scores.shape))
            (scores,) = outputs.values()
            (_,) = scores.shape
            return Scores(scores.astype(np.float32))

    def top(self, found: Scores, count: int = 5) -> List[Tuple[int, str, float]]:
        """The best classes: index, name and score."""
        best = np.argsort(-found.probs, kind="stable")[:count]
        labels = (best if found.labels is None else found.labels[best]).tolist()
        return [(label, self.class_name(label), score) for label, score in zip(labels, found.probs[best].tolist())]

    def draw(self, picture: Picture, found: Scores, score_thr: float = 0.0) -> np.ndarray:
        """The picture above bars of the best classes, BGR; scores below the threshold are left out."""
        canvas = drawing.enlarged(self.read(picture))[0]
        kept = found.probs >= score_thr
        labels = np.arange(len(found.probs)) if found.labels is None else found.labels
        bars = drawing.bars(Scores(found.probs[kept], labels[kept]), canvas.shape[1], self.classes)
        return np.vstack([canvas, bars])


def open_model(
    path: Union[str, "os.PathLike[str]"],
    device: str = "auto",
    *,
    runtime: str = DEFAULT,
    threads: Optional[int] = None,
    providers: Sequence[str] = (),
    sharing: bool = False,
) -> Union[Detector, Segmentor, Classifier]:
    """A detector, a segmentor or a classifier, as the file says.

    Args:
        path: an ONNX file that mmonnx wrote.
        device: as all take it.
        runtime: as all take it.
        threads: of ONNX Runtime on the CPU; None for one per core.
        providers: ONNX Runtime's execution providers in the place of a device, see ``Session``.
        sharing: whether its threads leave the cores to others while they wait, see ``Session``.

    Raises:
        InputError: as all do.
    """
    session = open_session(os.fspath(path), device, runtime, threads, providers, sharing)
    task = _description(session, os.fspath(path)).task
    kinds: Sequence[Type[Union[Detector, Segmentor, Classifier]]] = (Segmentor, Classifier)
    kind = next((one for one in kinds if task in one.tasks), Detector)
    model = kind.__new__(kind)
    model._start(os.fspath(path), session)
    return model


def _description(session: AnySession, path: str) -> Description:
    with _as_exported(path, "has broken metadata"):
        return Description.from_properties(session.properties, path)


@contextlib.contextmanager
def _as_exported(path: str, problem: str) -> Iterator[None]:
    """Refuse a file that is not as ``mmonnx export`` writes it; a stranger's may say or give anything."""
    try:
        yield
    except (MemoryError, InputError):
        raise
    except Exception as error:  # of numpy and OpenCV, and those of values that are of another kind
        raise InputError(
            f"'{path}' {problem} ({type_and_line(error)[:200]})", "a file that mmonnx export wrote", "export it again"
        ) from error


def _channels(session: AnySession) -> int:
    """The channels of the input's images; three where the file does not say."""
    shape: Sequence[Any] = session.input_shape("input") if "input" in session.input_names else ()
    return int(shape[1]) if len(shape) == 4 and isinstance(shape[1], int) else 3


def _fixed_size(session: AnySession) -> Optional[Tuple[int, int]]:
    """(height, width) of the input, None if they are dynamic."""
    shape: Sequence[Any] = session.input_shape("input") if "input" in session.input_names else ()
    if len(shape) != 4 or not all(isinstance(side, int) for side in shape[2:]):
        return None
    return int(shape[2]), int(shape[3])
