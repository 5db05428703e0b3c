"""From a model in float32 to the same one in fewer bits, with what that costs."""

import json
import tempfile
from pathlib import Path
from typing import Dict, List, Tuple

import onnx

from ..graph import opset_of
from ..runtime import PREFIX, large
from ..support import ExportError, LossError
from ..terminal import Report, Row
from .eight import OPSET, Feeds, Quantizer, at_opset
from .half import in_half
from .kept import Kernels, kernels_of
from .measures import Images, Measure, digest
from .searching import Found, Noise, best_method, ranked, search
from .settings import Calibrated, Loss, PrecisionSettings, Reduced
from .timing import side_by_side
from .trunk import Trunk, find_trunk

_FLOAT32 = "float32.onnx"


def reduce(model: onnx.ModelProto, settings: PrecisionSettings, report: Report) -> Reduced:
    """A model in the precision that is asked for.

    Args:
        model: in float32, with the metadata by which it is run; it is not changed.
        settings: what is asked for; the precision is not ``fp32``.
        report: where progress is told.

    Raises:
        InputError: there are no images to calibrate or to measure on, or the target does not take such files.
        ExportError: the model cannot be reduced.
        LossError: it loses more than is allowed.
    """
    kernels = kernels_of(settings.target, settings.precision)
    model = _with_names(model)
    if settings.precision == "int8" and opset_of(model) < OPSET:
        was = opset_of(model)
        model = at_opset(model, OPSET)
        report.warn(f"the file has opset {OPSET}, not {was}: int8 weights have a scale for each channel")
    trunk = find_trunk(model)
    if not trunk.reached:
        raise ExportError(
            "the model has no layer with constant weights that its images reach", "one or more", "leave --precision out"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / _FLOAT32)
        large.save(model, path)
        make = _eight if settings.precision == "int8" else _half
        return make(model, trunk, kernels, settings, path, report)


def _half(
    model: onnx.ModelProto, trunk: Trunk, kernels: Kernels, settings: PrecisionSettings, path: str, report: Report
) -> Reduced:
    with report.stage("reduce") as stage:
        half = in_half(model, trunk, kernels)
        stage.note(f"{len(trunk.layers)} layers in float16")
    images = Images(settings, path)
    with report.stage("measure") as stage:
        measure = images.measure()
        loss = _loss(half, measure, path)
        stage.note(str(loss))
    _tell(images.notes, report)
    if loss.points > settings.max_loss:
        raise LossError(
            f"fp16 loses more than is allowed: {loss}",
            f"{settings.max_loss:g} points at most",
            "leave --precision out, or give a larger --max-loss",
        )
    return _timed(half, (), len(trunk.layers), loss, None, {}, path, images.examples(), settings, report)


def _eight(
    model: onnx.ModelProto, trunk: Trunk, kernels: Kernels, settings: PrecisionSettings, path: str, report: Report
) -> Reduced:
    images = Images(settings, path)
    with report.stage("calibrate") as stage:
        feeds = images.calibration()
        taken, held = _shared_out(feeds)
        quantizer = Quantizer(model, trunk, kernels, taken, str(Path(path).parent))
        noise = Noise(model, trunk, held)
        method, start = best_method(quantizer, noise, stage.show)
        stage.note(f"{len(feeds)} images of {images.source}, ranges by {method.title}")
    with report.stage("measure") as stage:
        measure = images.measure()

        def ranks() -> Dict[str, float]:
            return ranked(quantizer, method, trunk, noise, stage.progress)

        def loss_of(candidate: onnx.ModelProto) -> Loss:
            return _loss(candidate, measure, path)

        found = search(start, quantizer, method, ranks, loss_of, settings.max_loss, stage.show)
        stage.note(str(found.loss))
        if found.kept:
            stage.note(f"{len(found.kept)} of {len(quantizer.layers)} layers stay in float32")
    _tell(images.notes, report)
    calibrated = Calibrated(len(feeds), images.source, digest(feeds), method.title)
    return _finished(found, quantizer, trunk, calibrated, path, feeds, settings, report)


def _finished(
    found: Found,
    quantizer: Quantizer,
    trunk: Trunk,
    calibrated: Calibrated,
    path: str,
    feeds: List[Feeds],
    settings: PrecisionSettings,
    report: Report,
) -> Reduced:
    others = tuple(name for name in trunk.layers if name not in quantizer.layers)
    count = len(quantizer.layers) - len(found.kept)
    kept = (*found.kept, *others)
    return _timed(found.model, kept, count, found.loss, calibrated, found.noise, path, feeds, settings, report)


def _timed(
    model: onnx.ModelProto,
    kept: Tuple[str, ...],
    layers: int,
    loss: Loss,
    calibrated: "Calibrated | None",
    noise: Dict[str, float],
    path: str,
    images: List[Feeds],
    settings: PrecisionSettings,
    report: Report,
) -> Reduced:
    reduced = str(Path(path).parent / "reduced.onnx")
    large.save(model, reduced)
    with report.stage("time") as stage:
        before, after, share = side_by_side(path, reduced, images)
        stage.note(f"{after:.1f} ms, float32 {before:.1f} ms: {share:.2f}")
    if share > 1:
        report.warn(
            f"on this machine the {settings.precision} file is slower than the float32 file: {share:.2f} of its time"
        )
    size = large.byte_size(model) / large.byte_size(onnx.load(path))
    return Reduced(model, settings.precision, loss, layers, kept, calibrated, size, share, (before, after), noise)


def _shared_out(feeds: List[Feeds]) -> Tuple[List[Feeds], List[Feeds]]:
    """Images that ranges are taken of, and others, of which there are fewer, to compare ways to do it on."""
    held = feeds[3::4] or feeds[-1:]
    return [one for place, one in enumerate(feeds) if place % 4 != 3] or feeds, held


def _loss(model: onnx.ModelProto, measure: Measure, path: str) -> Loss:
    candidate = str(Path(path).parent / "candidate.onnx")
    large.save(model, candidate)
    return measure.loss(candidate)


def _tell(notes: List[str], report: Report) -> None:
    for note in notes:
        report.warn(note)


def _with_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose nodes have names, each its own."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    taken = set()
    for number, node in enumerate(result.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.name or node.op_type}_{number}_named"
        taken.add(node.name)
    return result


def properties(found: Reduced) -> Dict[str, str]:
    """What a file says of its precision, as ``metadata_props``."""
    about = {
        "precision": found.precision,
        "layers": found.layers,
        "float32": list(found.kept),
        "calibration": None if found.calibrated is None else vars(found.calibrated),
        "loss": {**vars(found.loss), "points": round(found.loss.points, 4)},
        "size": round(found.size, 4),
        "time": round(found.time, 4),
        "noise": {name: round(value, 2) for name, value in found.noise.items()},
    }
    return {f"{PREFIX}precision": json.dumps(about, ensure_ascii=False)}


def rows(found: Reduced) -> List[Row]:
    """The rows of a closing table."""
    lines = [("precision", f"{found.precision}: {found.layers} layers, {len(found.kept)} stay in float32")]
    if found.calibrated is not None:
        one = found.calibrated
        lines.append(("calibrated", f"{one.images} images of {one.source}, ranges by {one.method}"))
    lines.append(("lost", f"{found.loss}, on {found.loss.images} images of {found.loss.source}"))
    before, after = found.milliseconds
    lines.append(("size", f"{found.size:.3f} of the float32 file"))
    lines.append(("time", f"{after:.1f} ms, float32 {before:.1f} ms: {found.time:.2f}, on this machine"))
    return lines
