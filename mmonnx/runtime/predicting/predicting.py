"""``mmonnx predict``: pictures in, drawn pictures and answers out."""

import contextlib
import sys
from typing import Any, Callable, List, Optional

import cv2

from ...support import InputError, check_writable, replacing_many
from ..editors import ImageEditor
from ..estimators import PoseEstimator
from ..films import find_films
from ..images import find_sources
from ..key_information import KeyInformationExtractor
from ..models import Classifier, Detector, open_model
from ..recognizers import Recognizer
from .annotations import Annotations
from .answers import CocoFile, JsonFile
from .beside import Beside
from .boxes import Boxes
from .delivery import Delivery
from .drawings import suffix_for, targets
from .flow import Flow, Limits
from .items import Done, items
from .lines import Lines
from .progress import progress
from .records import check_same
from .settings import Predicted, PredictSettings
from .sizing import limits_for, runs_side_by_side
from .stages import Stages, failed

_LOG_ERRORS = 2
_cv2: Any = cv2  # OpenCV 5 has elsewhere what mypy knows of OpenCV 4
_set_log_level = _cv2.setLogLevel if hasattr(_cv2, "setLogLevel") else _cv2.utils.logging.setLogLevel


Tell = Callable[[str], Any]


def tell_nobody(line: str) -> None:
    """Where nobody wants to know."""


def predict(settings: PredictSettings, tell: Tell = tell_nobody) -> Predicted:
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
    for path in (settings.json, settings.coco, settings.jsonl):
        if path is not None:
            check_writable(path)
    model = _model(settings)
    films = isinstance(model, Recognizer)
    sources = find_films(settings.sources) if films else find_sources(settings.sources)
    drawn = targets(sources, settings.out, suffix_for(model))
    for path in drawn.values():
        check_writable(path)
    shared = runs_side_by_side(model, settings.threads, len(sources))
    if shared:
        del model  # two would take twice the memory
        model = _opened(settings, threads=1)
    limits = limits_for(model, settings.threads, settings.batch_size, shared)
    tell(_started(model, limits))
    with contextlib.ExitStack() as stack:
        lines = stack.enter_context(Lines(settings.jsonl, settings.resume)) if settings.jsonl else None
        place = stack.enter_context(replacing_many())
        files = [stack.enter_context(file) for file in _files(settings, place, model)]
        show = stack.enter_context(progress(len(sources)))
        delivery = stack.enter_context(Delivery(place, drawn, lines, files, show))
        done = _replay(lines, delivery, model)
        boxes = Boxes(settings.boxes, settings.score_thr, settings.box_class) if settings.boxes else None
        beside = Beside(settings.beside)
        texts = Annotations(settings.annotations) if settings.annotations else None
        stages = Stages(model, settings.score_thr, bool(settings.out), boxes, beside, settings.top, texts)
        flow = Flow(stages.prepare, stages.run, stages.finish, limits)
        results = flow.results(items(sources, done, bool(settings.out), films))
        stack.enter_context(contextlib.closing(results))
        first = None
        for item, outcome, error in results:
            if error is not None and settings.on_error == "stop":
                raise error
            first = first or error
            delivery.add(item, outcome or failed(item, error))
        if first is not None and not delivery.summary.count:
            raise first
    return delivery.summary


def _model(settings: PredictSettings) -> Any:
    """The file, opened, where it can do what is asked for."""
    model = _opened(settings, settings.threads)
    if settings.coco and not isinstance(model, Detector):
        raise InputError("--coco is for detectors", "a file for detection", "use --json")
    if settings.boxes and not isinstance(model, PoseEstimator):
        raise InputError("--boxes is for pose estimators that get crops", "a file for pose estimation", "leave it out")
    check_top(settings, model)
    if bool(settings.annotations) != isinstance(model, KeyInformationExtractor):
        raise InputError(
            "--annotations is for files that say what texts are"
            if settings.annotations
            else f"'{settings.file}' takes the texts of each picture",
            "an SDMGR's" if settings.annotations else "lines of JSON with file_name and annotations, as mmocr has them",
            "leave it out" if settings.annotations else "add --annotations FILE",
        )
    if settings.beside and not isinstance(model, ImageEditor):
        raise InputError("--with is for image editors", "a file that takes more than a picture", "leave it out")
    if settings.text is not None:
        if not isinstance(model, Detector):
            raise InputError("--text is for detectors that take text", "a file of one", "leave it out")
    elif model.description.prompt is not None:
        raise InputError(
            f"'{settings.file}' takes text beside a picture",
            "what to look for, and the folder of its tokenizer",
            'add --text "person . car ." --tokenizer FOLDER',
        )
    for what in model.left_out:
        print(f"warning: the config's test pipeline also has {what}: the file does one pass without", file=sys.stderr)
    return model


def check_top(settings: PredictSettings, model: Any) -> None:
    """Refuse to choose among classes where a picture has none, with an ``InputError``."""
    if settings.top is not None and not isinstance(model, (Classifier, Recognizer)):
        raise InputError("--top is for classifiers", "a file for classification", "leave it out")


def _opened(settings: PredictSettings, threads: Optional[int]) -> Any:
    model: Any = open_model(
        settings.file,
        settings.device,
        runtime=settings.runtime,
        threads=threads,
        providers=settings.providers,
        sharing=True,
    )
    if settings.text is not None and isinstance(model, Detector):
        model.ask(settings.text, settings.tokenizer)
    return model


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


def _started(model: Any, limits: Limits) -> str:
    return (
        f"{model.session.title}: {limits.workers} threads, batches of up to {limits.batch(1)}, "
        f"at most {limits.ahead} pictures in memory"
    )
