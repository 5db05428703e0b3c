"""Files that take pictures themselves: the test pipeline in the graph, compared with the one outside."""

import json
import tempfile
from pathlib import Path
from typing import Any, List

import cv2
import numpy as np
import onnx

from ..graph import annotate, with_picture_input
from ..loading import Task, photographs
from ..runtime import PREFIX, Description, Detections, LabelMap, Scores, large, open_model, read_picture
from ..support import ExportError, InputError, __version__
from ..terminal import Report
from .settings import ExportSettings

_SIZES = ((240, 320), (333, 251), (480, 480))
"""(height, width) of the pictures that both are compared on."""
_PIXELS, _SCORE = 0.05, 1e-3
"""What boxes and scores may differ by: bytes are resized as OpenCV does it, to the last bit, and floats nearly so."""


def embedded(file: onnx.ModelProto, task: Task, settings: ExportSettings, report: Report) -> onnx.ModelProto:
    """A file that takes uint8 pictures (N, H, W, 3) as OpenCV reads them.

    Args:
        file: as it would be written, with its metadata.
        task: what it is of.
        settings: what is asked for; with ``verify`` the file is compared with the pipeline outside of the graph.
        report: where it is told.

    Raises:
        InputError: a step of the pipeline, or the kind of the model's answers, is not known to be written.
        ExportError: it does not give the answers of the pipeline outside.
    """
    about = Description.from_properties({entry.key: entry.value for entry in file.metadata_props}, settings.output_file)
    if about.pipeline is None:
        raise InputError(
            f"{task.title} has no test pipeline that could be put into the graph", "one", "leave --with-preprocess out"
        )
    with report.stage("embed") as stage:
        resize = settings.with_preprocess == "resize"
        model, outside = with_picture_input(file, about.pipeline, about.task, resize, about.box_limits)
        inside = [step for step in about.pipeline if step not in outside]
        given = Description(**{**vars(about), "pipeline": outside}).to_properties()
        model = annotate(model, {**given, f"{PREFIX}inside": json.dumps(inside)}, __version__)
        stage.note(f"{', '.join(step['type'] for step in inside)} in the graph")
        if settings.verify:
            stage.note(_compare(file, model, settings))
    return model


def _compare(file: onnx.ModelProto, model: onnx.ModelProto, settings: ExportSettings) -> str:
    """What is said of the comparison. Raises ExportError if the answers differ."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("outside.onnx", "inside.onnx")]
        for one, path in zip((file, model), paths):
            large.save(one, path)
        outside, inside = (open_model(path, "cpu") for path in paths)
        pictures = _pictures(settings)
        for picture in pictures:
            gaps = _gaps(outside(picture), inside(picture))
            if gaps:
                height, width = picture.shape[:2]
                raise ExportError(
                    f"on a picture of {width}x{height} the file with its pipeline inside differs: {gaps}",
                    "the answers of the pipeline outside",
                    "leave --with-preprocess out, or report it",
                )
    return f"the same answers as outside on {len(pictures)} pictures"


def _pictures(settings: ExportSettings) -> List[np.ndarray]:
    named = settings.test_image or settings.load.image
    shown = [read_picture(named, 3)] if named else photographs()[:2]
    sizes = _SIZES if settings.load.dynamic else (settings.load.shape or _SIZES[0],)
    resized = [cv2.resize(one, size[::-1], interpolation=cv2.INTER_AREA) for one in shown for size in sizes]
    return [*shown, *resized]


def _gaps(expected: Any, actual: Any) -> str:
    """How two answers differ, in a line; empty if they do not."""
    if isinstance(expected, Scores):
        gap = float(np.abs(expected.probs - actual.probs).max())
        return "" if gap <= _SCORE else f"scores by {gap:.3f}"
    if isinstance(expected, LabelMap):
        share = float((expected.labels != actual.labels).mean())
        return "" if share <= _SCORE else f"{100 * share:.1f} % of the pixels"
    return _detections_differ(expected, actual) if isinstance(expected, Detections) else ""


def _detections_differ(expected: Detections, actual: Detections) -> str:
    """Each detection well above the threshold has to have one of its class, place and score."""
    least = min(float(one.scores.min()) if len(one.scores) else 1.0 for one in (expected, actual)) + _SCORE
    for one, other in ((expected, actual), (actual, expected)):
        for row in np.flatnonzero(one.scores > least):
            near = other.labels == one.labels[row]
            near = near & (np.abs(other.dets[:, :-1] - one.dets[row, :-1]).max(axis=1, initial=0) <= _PIXELS)
            near = near & (np.abs(other.scores - one.scores[row]) <= _SCORE)
            if not near.any():
                return f"a detection of class {one.labels[row]} with score {one.scores[row]:.3f} has no counterpart"
    return ""
