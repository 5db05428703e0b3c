"""``mmonnx predict``: pictures in, drawn pictures and answers out; one picture in memory at a time."""

import contextlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, TextIO, Tuple

import cv2
import numpy as np

from ..support import InputError, check_writable, printable, replacing_many
from .engines import DEFAULT
from .images import Video, find_sources, is_video
from .models import Detector, open_model
from .results import Detections, LabelMap, Scores
from .rle import encode


@dataclass(frozen=True)
class PredictSettings:
    """What is asked for.

    Attributes:
        file: the ONNX file.
        sources: pictures, videos, folders and patterns.
        out: folder for drawn pictures, None for none.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        score_thr: the score from which on something is drawn; the answers hold all.
        json: file for the answers, None for none.
        coco: file for the answers in COCO's format, None for none.
        runtime: what runs the file.
    """

    file: str
    sources: Sequence[str]
    out: Optional[str] = None
    device: str = "auto"
    score_thr: float = 0.3
    json: Optional[str] = None
    coco: Optional[str] = None
    runtime: str = DEFAULT


_LOG_ERRORS = 2
_cv2: Any = cv2  # OpenCV 5 has elsewhere what mypy knows of OpenCV 4
_set_log_level = _cv2.setLogLevel if hasattr(_cv2, "setLogLevel") else _cv2.utils.logging.setLogLevel


def predict(settings: PredictSettings) -> int:
    """Run a file on pictures; returns how many there were.

    Raises:
        InputError: the file, a picture or a path is wrong. Nothing is written then: all that was asked for appears
            together, in the end.
    """
    # what OpenCV warns of (a file that ends early) is said in the error as well
    _set_log_level(_LOG_ERRORS)
    sources = find_sources(settings.sources)
    targets = _targets(sources, settings.out)
    for path in (*targets.values(), settings.json, settings.coco):
        if path is not None:
            check_writable(path)
    model = open_model(settings.file, settings.device, runtime=settings.runtime)
    if settings.coco and not isinstance(model, Detector):
        raise InputError("--coco is for detectors", "a file for detection", "use --json")
    for what in model.left_out:
        print(f"warning: the config's test pipeline also has {what}: the file does one pass without", file=sys.stderr)
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(replacing_many())
        writers = [stack.enter_context(_Answers(place(path), kind, model)) for path, kind in _kinds(settings)]
        progress = stack.enter_context(_progress(len(sources)))
        private = {source: place(target) for source, target in targets.items()}
        return sum(_source(model, path, private.get(path), settings, writers, progress) for path in sources)


def _kinds(settings: PredictSettings) -> List[Tuple[str, str]]:
    return [(path, kind) for path, kind in ((settings.json, "json"), (settings.coco, "coco")) if path]


def _targets(sources: Sequence[str], out: Optional[str]) -> Dict[str, str]:
    """Where the drawing of each source goes: by its name, with a number where two have the same."""
    found: Dict[str, str] = {}
    for source in sources if out is not None else ():
        stem, suffix = os.path.splitext(os.path.basename(source))
        suffix = ".mp4" if is_video(source) else suffix if suffix.lower() in (".jpg", ".jpeg", ".png") else ".png"
        name, number = stem + suffix, 1
        while os.path.join(str(out), name) in found.values():
            name, number = f"{stem}_{number}{suffix}", number + 1
        found[source] = os.path.join(str(out), name)
        if os.path.realpath(found[source]) == os.path.realpath(source):
            raise InputError(f"{source!r} would be overwritten", "another folder for --out", "give another one")
    return found


def _source(
    model: Any,
    path: str,
    target: Optional[Path],
    settings: PredictSettings,
    writers: Sequence["_Answers"],
    progress: Any,
) -> int:
    """Go through one picture or video; how many pictures it has."""
    if not is_video(path):
        picture = model.read(path)
        found = model(picture)
        _tell(writers, path, None, picture, found)
        if target is not None:
            _write_image(target, model.draw(picture, found, settings.score_thr))
        progress(path)
        return 1
    video, count = Video(path), 0
    with contextlib.ExitStack() as stack:
        write = None if target is None else stack.enter_context(_movie(target, video.rate))
        for count, frame in enumerate(video, 1):
            found = model(frame)
            _tell(writers, path, count - 1, frame, found)
            if write is not None:
                write(model.draw(frame, found, settings.score_thr))
            progress(path, count, video.frames)
        progress(path)
        if not count:
            raise InputError(f"video {path!r} has no frame", "a whole video", "give another one")
    return count


def _tell(writers: Sequence["_Answers"], path: str, frame: Optional[int], picture: np.ndarray, found: Any) -> None:
    for writer in writers:
        writer.add(path, frame, (picture.shape[0], picture.shape[1]), found)


def _write_image(path: Path, image: np.ndarray) -> None:
    done, data = cv2.imencode(path.suffix, image)
    if not done:
        raise OSError(f"OpenCV cannot encode a picture for {path.name}")
    path.write_bytes(data.tobytes())


@contextlib.contextmanager
def _movie(target: Path, rate: float) -> Iterator[Any]:
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


class _Answers:
    """Answers as JSON, written as they come, so that a thousand pictures take no more memory than one."""

    def __init__(self, path: Path, kind: str, model: Any) -> None:
        self._path, self._kind, self._model = path, kind, model
        self._images: List[Dict[str, Any]] = []
        self._count = 0

    def __enter__(self) -> "_Answers":
        self._file: TextIO = open(str(self._path), "w", encoding="utf-8")
        self._file.write('{"annotations": [' if self._kind == "coco" else "[")
        return self

    def add(self, path: str, frame: Optional[int], size: Tuple[int, int], found: Any) -> None:
        """Append one picture's answers."""
        if self._kind == "json":
            self._write({"file": path, **({} if frame is None else {"frame": frame}), **_as_dict(self._model, found)})
            return
        number = len(self._images) + 1
        name = path if frame is None else f"{path}#{frame}"
        self._images.append({"id": number, "file_name": name, "height": int(size[0]), "width": int(size[1])})
        for index, (x1, y1, x2, y2, score) in enumerate(found.dets.tolist()):
            label = int(found.labels[index])
            entry: Dict[str, Any] = {"id": self._count + 1, "image_id": number, "category_id": label + 1}
            entry.update(bbox=[x1, y1, x2 - x1, y2 - y1], area=(x2 - x1) * (y2 - y1), score=score, iscrowd=0)
            if found.masks is not None:
                entry.update(segmentation=encode(found.masks[index]), area=int(found.masks[index].sum()))
            self._write(entry)

    def _write(self, entry: Dict[str, Any]) -> None:
        self._file.write((",\n" if self._count else "\n") + json.dumps(entry))
        self._count += 1

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        with self._file:
            if kind is None:
                self._finish()

    def _finish(self) -> None:
        names = [{"id": index + 1, "name": name} for index, name in enumerate(self._model.classes)]
        rest = f'], "images": {json.dumps(self._images)}, "categories": {json.dumps(names)}}}\n'
        self._file.write(rest if self._kind == "coco" else "\n]\n")


def _as_dict(model: Any, found: Any) -> Dict[str, Any]:
    """One picture's answers for JSON."""
    if isinstance(found, Scores):
        best = model.top(found, len(found.probs))
        return {"classes": [{"label": label, "name": name, "score": score} for label, name, score in best]}
    if isinstance(found, LabelMap):
        return {"segments": [_segment(model, found.labels, int(label)) for label in np.unique(found.labels)]}
    return {"detections": [_detection(model, found, index) for index in range(len(found.labels))]}


def _segment(model: Any, labels: np.ndarray, label: int) -> Dict[str, Any]:
    """The pixels of one class."""
    mask = labels == label
    return {"label": label, "name": model.class_name(label), "area": int(mask.sum()), "mask": encode(mask)}


def _detection(model: Any, found: Detections, index: int) -> Dict[str, Any]:
    label = int(found.labels[index])
    entry: Dict[str, Any] = {"label": label, "name": model.class_name(label)}
    entry.update(box=found.dets[index, :4].tolist(), score=float(found.dets[index, 4]))
    if found.masks is not None:
        entry["mask"] = encode(found.masks[index])
    return entry


@contextlib.contextmanager
def _progress(sources: int) -> Iterator[Any]:
    """A function that shows how far it is, on a terminal alone.

    It is told the picture or video that is done; or a video, the number of a frame of it that is done, and how many
    frames there are (0 where that is not known).
    """
    if not sys.stderr.isatty():
        yield lambda name, frame=None, frames=0: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        whole = bar.add_task("predict", total=sources)
        inside = bar.add_task("", total=None, visible=False)

        def show(name: str, frame: Optional[int] = None, frames: int = 0) -> None:
            shown = escape(printable(name))
            if frame is None:
                bar.update(inside, visible=False)
                bar.update(whole, description=shown, advance=1)
            else:
                bar.update(inside, description=f"{shown}, frames", completed=frame, total=frames or None, visible=True)

        yield show
