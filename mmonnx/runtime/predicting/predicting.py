"""``mmonnx predict``: pictures in, drawn pictures and answers out."""

import contextlib
import json
import sys
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np

from ...support import InputError, check_writable, replacing_many
from ..editors import ImageEditor
from ..images import find_sources
from ..model import Ready
from ..models import Detector, open_model
from .answers import CocoFile, JsonFile
from .beside import Beside
from .delivery import Delivery, Outcome
from .drawings import encoded, suffix_of, targets
from .flow import Flow, Limits, Loaded
from .items import Done, Item, items
from .lines import Lines
from .progress import progress
from .records import check_same, failure_of, record_of
from .settings import Predicted, PredictSettings
from .sizing import limits_for

_LOG_ERRORS = 2
_cv2: Any = cv2  # OpenCV 5 has elsewhere what mypy knows of OpenCV 4
_set_log_level = _cv2.setLogLevel if hasattr(_cv2, "setLogLevel") else _cv2.utils.logging.setLogLevel


Tell = Callable[[str], Any]


def _tell_nobody(line: str) -> None:
    pass


def predict(settings: PredictSettings, tell: Tell = _tell_nobody) -> Predicted:
    """Run a file on pictures.

    Args:
        settings: what is asked for.
        tell: gets a line that says what really runs the file, and how much goes on at the same time, before hours go
            into it.

    Raises:
        InputError: the file, a path or a setting is wrong; a picture is, and errors are to stop the run; or no picture
            at all has an answer. Nothing is written then but the lines of pictures that were done: all else appears
            together, in the end.
    """
    settings.check()
    # what OpenCV warns of (a file that ends early) is said in the error as well
    _set_log_level(_LOG_ERRORS)
    sources = find_sources(settings.sources)
    for path in (settings.json, settings.coco, settings.jsonl):
        if path is not None:
            check_writable(path)
    model = _model(settings)
    drawn = targets(sources, settings.out, _suffix(model))
    for path in drawn.values():
        check_writable(path)
    limits = limits_for(model, settings.threads, settings.batch_size)
    tell(_started(model, limits))
    with contextlib.ExitStack() as stack:
        lines = stack.enter_context(Lines(settings.jsonl, settings.resume)) if settings.jsonl else None
        place = stack.enter_context(replacing_many())
        files = [stack.enter_context(file) for file in _files(settings, place, model)]
        show = stack.enter_context(progress(len(sources)))
        delivery = stack.enter_context(Delivery(place, drawn, lines, files, show))
        done = _replay(lines, delivery, model)
        stages = _Stages(model, settings.score_thr, bool(settings.out), Beside(settings.beside))
        flow = Flow(stages.prepare, stages.run, stages.finish, limits)
        results = flow.results(items(sources, done, draws=bool(settings.out)))
        stack.enter_context(contextlib.closing(results))
        first = None
        for item, outcome, error in results:
            if error is not None and settings.on_error == "stop":
                raise error
            first = first or error
            delivery.add(item, outcome or _failed(item, error))
        if first is not None and not delivery.summary.count:
            raise first
    return delivery.summary


def _model(settings: PredictSettings) -> Any:
    """The file, opened, where it can do what is asked for."""
    model = open_model(
        settings.file,
        settings.device,
        runtime=settings.runtime,
        threads=settings.threads,
        providers=settings.providers,
        sharing=True,
    )
    if settings.coco and not isinstance(model, Detector):
        raise InputError("--coco is for detectors", "a file for detection", "use --json")
    if settings.beside and not isinstance(model, ImageEditor):
        raise InputError("--with is for image editors", "a file that takes more than a picture", "leave it out")
    for what in model.left_out:
        print(f"warning: the config's test pipeline also has {what}: the file does one pass without", file=sys.stderr)
    return model


def _suffix(model: Any) -> Optional[str]:
    """How the names of drawings end, None for as those of the pictures do: what an editor makes is to stay as it is."""
    return ".png" if isinstance(model, ImageEditor) else None


def _files(settings: PredictSettings, place: Any, model: Any) -> List[JsonFile]:
    """The files of answers that appear in the end."""
    found: List[JsonFile] = [JsonFile(place(settings.json))] if settings.json else []
    return [*found, CocoFile(place(settings.coco), model.classes)] if settings.coco else found


def _replay(lines: Optional[Lines], delivery: Delivery, model: Any) -> Done:
    """Take in what an earlier run wrote, if this one goes on behind it."""
    done = Done()
    for record, text in lines.read() if lines is not None else ():
        check_same(record, model)
        done.add(record)
        delivery.replay(record, text)
    return done


class _Picture(NamedTuple):
    """A picture on its way: the image where it is to be drawn, its (height, width), and what the network gets."""

    image: Optional[np.ndarray]
    size: Tuple[int, int]
    ready: Ready


class _Stages:
    """What is done to each picture; called from several threads."""

    def __init__(self, model: Any, score_thr: float, draws: bool, beside: Beside) -> None:
        self._model, self._score_thr, self._draws, self._beside = model, score_thr, draws, beside

    def prepare(self, item: Item) -> Loaded:
        if item.error is not None:
            raise item.error
        image = self._model.read(item.path if item.image is None else item.image)
        ready = self._model.ready(image, **self._beside.of(item.path))
        kept = image if self._draws else None
        size = ready.feed.nbytes + (0 if kept is None else kept.nbytes)
        picture = _Picture(kept, (image.shape[0], image.shape[1]), ready)
        return Loaded(picture, ready.group, ready.feed.shape[2] * ready.feed.shape[3], size)

    def run(self, pictures: Sequence[_Picture]) -> List[Any]:
        return list(self._model.run([picture.ready for picture in pictures]))

    def finish(self, item: Item, picture: _Picture, outputs: Any) -> Outcome:
        found = self._model.read_answer(picture.ready, outputs)
        record = record_of(self._model, item.key, picture.size, found)
        if item.frame is not None and item.last:
            record["last"] = True
        drawing: Any = None
        if picture.image is not None:
            drawing = self._model.draw(picture.image, found, self._score_thr)
            drawing = encoded(drawing, suffix_of(item.path, _suffix(self._model))) if item.frame is None else drawing
        return Outcome(record, json.dumps(record), drawing)


def _failed(item: Item, error: InputError) -> Outcome:
    record = failure_of(item.key, error.what)
    if item.frame is not None and item.last:
        record["last"] = True
    return Outcome(record, json.dumps(record), None)


def _started(model: Any, limits: Limits) -> str:
    return (
        f"{model.session.title}: {limits.workers} threads, batches of up to {limits.batch(1)}, "
        f"at most {limits.ahead} pictures in memory"
    )
