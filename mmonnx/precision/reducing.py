"""From a model in float32 to the same one in fewer bits, with what that costs."""

import json
import tempfile
from pathlib import Path
from types import MappingProxyType
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple

import onnx

from ..graph import opset_of
from ..runtime import PREFIX, large
from ..support import ExportError, LossError
from ..terminal import Report, Row
from .changes import MOST, changes
from .eight import OPSET, Feeds, Quantizer, at_opset
from .half import in_half
from .kept import Kernels, kernels_of
from .measures import Images, digest
from .searching import Noise, best_method, ranked, search
from .settings import Calibrated, Loss, PrecisionSettings, Reduced
from .timing import side_by_side
from .trunk import Trunk, find_trunk


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
        work = _Work(model, trunk, kernels, settings, Path(folder), report)
        found = _eight(work) if settings.precision == "int8" else _half(work)
        return _finished(work, found)


class _Work:
    """What is worked on: the model and its file, and the images.

    Args:
        model: in float32.
        trunk: its layers.
        kernels: what the target takes.
        settings: what is asked for.
        folder: a temporary folder.
        report: where progress is told.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        trunk: Trunk,
        kernels: Kernels,
        settings: PrecisionSettings,
        folder: Path,
        report: Report,
    ) -> None:
        self.model, self.trunk, self.kernels, self.settings = model, trunk, kernels, settings
        self.folder, self.report = folder, report
        self.path = self.written(model, "float32.onnx")
        self.images = Images(settings, self.path)

    def written(self, model: onnx.ModelProto, name: str) -> str:
        """The path of a model that is put into the folder."""
        path = str(self.folder / name)
        large.save(model, path)
        return path

    def losing(self) -> Callable[[onnx.ModelProto], Loss]:
        """What measures the loss of a model."""
        measure = self.images.measure()
        return lambda model: measure.loss(self.written(model, "candidate.onnx"))


class _Made(NamedTuple):
    """A reduced model, and what is known of it."""

    model: onnx.ModelProto
    layers: int
    kept: Tuple[str, ...]
    loss: Loss
    calibrated: Optional[Calibrated] = None
    noise: Mapping[str, float] = MappingProxyType({})


def _half(work: _Work) -> _Made:
    with work.report.stage("reduce") as stage:
        half, count = in_half(work.model, work.trunk, work.kernels), len(work.trunk.layers)
        stage.note(f"{count} layers in float16")
    with work.report.stage("measure") as stage:
        loss = work.losing()(half)
        stage.note(str(loss))
    if loss.points > work.settings.max_loss:
        raise LossError(
            f"fp16 loses more than is allowed: {loss}",
            f"{work.settings.max_loss:g} points at most",
            "leave --precision out, or give a larger --max-loss",
        )
    return _Made(half, count, (), loss)


def _eight(work: _Work) -> _Made:
    trunk = work.trunk
    with work.report.stage("calibrate") as stage:
        feeds = work.images.calibration()
        taken, held = _shared_out(feeds)
        quantizer = Quantizer(work.model, trunk, work.kernels, taken, str(work.folder))
        noise = Noise(work.model, trunk, held)
        method, start = best_method(quantizer, noise, stage.show)
        stage.note(f"{len(feeds)} images of {work.images.source}, ranges by {method.title}")

    def ranks() -> Dict[str, float]:
        return ranked(quantizer, method, trunk, noise, stage.progress)

    with work.report.stage("measure") as stage:
        found = search(start, quantizer, method, ranks, work.losing(), work.settings.max_loss, stage.show)
        stage.note(str(found.loss))
        if found.kept:
            stage.note(f"{len(found.kept)} of {len(quantizer.layers)} layers stay in float32")
    loud = found.noise
    if work.settings.report and not loud:
        with work.report.stage("rank") as stage:
            loud = ranks()
            stage.note(f"{len(loud)} layers")
    others = tuple(name for name in trunk.layers if name not in quantizer.layers)
    calibrated = Calibrated(len(feeds), work.images.source, digest(feeds), method.title)
    count = len(quantizer.layers) - len(found.kept)
    return _Made(found.model, count, (*found.kept, *others), found.loss, calibrated, loud)


def _finished(work: _Work, made: _Made) -> Reduced:
    """What was made, timed, and its answers beside those of the float32 file."""
    precision, report = work.settings.precision, work.report
    path = work.written(made.model, "reduced.onnx")
    with report.stage("compare") as stage:
        before, after, share = side_by_side(work.path, path, work.images.examples())
        stage.note(f"{after:.1f} ms, float32 {before:.1f} ms: {share:.2f}")
        changed = changes(work.path, path, work.images.shown(MOST))
    for note in work.images.notes:
        report.warn(note)
    if share > 1:
        report.warn(f"on this machine the {precision} file is slower than the float32 file: {share:.2f} of its time")
    return Reduced(
        model=made.model,
        precision=precision,
        loss=made.loss,
        layers=made.layers,
        kept=made.kept,
        calibrated=made.calibrated,
        size=large.byte_size(made.model) / large.byte_size(work.model),
        time=share,
        milliseconds=(before, after),
        noise=dict(made.noise),
        changes=changed,
    )


def _shared_out(feeds: List[Feeds]) -> Tuple[List[Feeds], List[Feeds]]:
    """Images that ranges are taken of, and others, of which there are fewer, to compare ways to do it on."""
    held = feeds[3::4] or feeds[-1:]
    return [one for place, one in enumerate(feeds) if place % 4 != 3] or feeds, held


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
        "changes": None if found.changes is None else vars(found.changes),
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
    lines += [] if found.changes is None else found.changes.rows()
    before, after = found.milliseconds
    lines.append(("size", f"{found.size:.3f} of the float32 file"))
    lines.append(("time", f"{after:.1f} ms, float32 {before:.1f} ms: {found.time:.2f}, on this machine"))
    return lines


def layer_rows(found: Reduced, most: int = 20) -> List[List[str]]:
    """The layers that bring most noise: each with its noise and what it is computed in."""
    kept = set(found.kept)
    loudest = sorted(found.noise.items(), key=lambda pair: -pair[1])[:most]
    return [[name, f"{value:.1f} dB", "float32" if name in kept else found.precision] for name, value in loudest]


def show_layers(found: Reduced, report: Report) -> None:
    """Print the table of the layers, where they were ranked."""
    if found.noise:
        report.listing(["layer", "noise that it alone brings", "stays in"], layer_rows(found))
