"""From a model in float32 to the same one in fewer bits, with what that costs."""

import json
import tempfile
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import onnx

from ..graph import opset_of
from ..runtime import DEFAULT_RUNTIME, PREFIX, find_engine, large, open_session
from ..support import ExportError, InputError
from ..targets import find_target
from ..terminal import Report, Row
from .changes import MOST, changes
from .eight import OPSET, Feeds, Quantizer, at_opset
from .half import in_half
from .kept import Kernels, kernels_of
from .measures import Images, digest
from .plain import in_plain_operators, with_plain_constants
from .searching import Found, Noise, Reducing, best_method, ranked, search
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
    model = _with_names(with_plain_constants(model))
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
        if settings.precision == "int8":
            work.rewrite()
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
        self.runtime = _runtime_of(settings.target, report)

    def rewrite(self) -> None:
        """Have activations in operators that have an int8 form; it is this model that is quantized then."""
        self.model = in_plain_operators(self.model, set(self.trunk.nodes))
        self.trunk = find_trunk(self.model)

    def written(self, model: onnx.ModelProto, name: str) -> str:
        """The path of a model that is put into the folder."""
        path = str(self.folder / name)
        large.save(model, path)
        return path

    def losing(self) -> Callable[[onnx.ModelProto], Loss]:
        """What measures the loss of a model."""
        measure = self.images.measure(self.runtime)

        def loss(model: onnx.ModelProto) -> Loss:
            path = self.written(model, "candidate.onnx")
            open_session(path, "cpu", self.runtime)  # what does not load is an error, and no loss
            return measure.loss(path)

        return loss


class _Made(NamedTuple):
    """A reduced model, and what is known of it."""

    model: onnx.ModelProto
    layers: int
    kept: Tuple[str, ...]
    loss: Loss
    calibrated: Optional[Calibrated] = None
    noise: Mapping[str, float] = MappingProxyType({})


def _half(work: _Work) -> _Made:
    model, trunk, kernels = work.model, work.trunk, work.kernels
    with work.report.stage("reduce") as stage:
        half = in_half(model, trunk, kernels)
        stage.note(f"{len(trunk.layers)} layers in float16")
    layers = list(trunk.reached)
    found = _searched(work, half, partial(in_half, model, trunk, kernels), layers, work.images.examples)
    return _Made(found.model, len(trunk.layers) - len(found.kept), found.kept, found.loss, noise=found.noise)


def _eight(work: _Work) -> _Made:
    trunk = work.trunk
    with work.report.stage("calibrate") as stage:
        feeds = work.images.calibration()
        taken, held = _shared_out(feeds)
        quantizer = Quantizer(work.model, trunk, work.kernels, taken, str(work.folder))
        method, start = best_method(quantizer, Noise(work.model, trunk, held), stage.show)
        stage.note(f"{len(feeds)} images of {work.images.source}, ranges by {method.title}")
    found = _searched(work, start, partial(quantizer.quantized, method), quantizer.layers, lambda: held)
    others = tuple(name for name in trunk.layers if name not in quantizer.layers)
    calibrated = Calibrated(len(feeds), work.images.source, digest(feeds), method.title)
    count = len(quantizer.layers) - len(found.kept)
    return _Made(found.model, count, (*found.kept, *others), found.loss, calibrated, found.noise)


def _searched(
    work: _Work,
    start: onnx.ModelProto,
    reducing: Reducing,
    layers: Sequence[str],
    images: Callable[[], Sequence[Feeds]],
) -> Found:
    """What loses no more than is allowed, and the layers by their noise where these were ranked."""
    with work.report.stage("measure") as stage:

        def ranks() -> Dict[str, float]:
            return ranked(reducing, layers, work.trunk, Noise(work.model, work.trunk, images()), stage.progress)

        allowed, precision = work.settings.max_loss, work.settings.precision
        found = search(start, reducing, ranks, work.losing(), allowed, stage.show, precision)
        stage.note(str(found.loss))
        if found.kept:
            stage.note(f"{len(found.kept)} of {len(layers)} layers stay in float32")
    if work.settings.report and not found.noise:
        with work.report.stage("rank") as stage:
            found = found._replace(noise=ranks())
            stage.note(f"{len(found.noise)} layers")
    return found


def _finished(work: _Work, made: _Made) -> Reduced:
    """What was made, timed, and its answers beside those of the float32 file."""
    precision, report = work.settings.precision, work.report
    path = work.written(made.model, "reduced.onnx")
    with report.stage("compare") as stage:
        before, after, share = side_by_side(work.path, path, work.images.examples(), runtime=work.runtime)
        stage.note(f"{after:.1f} ms, float32 {before:.1f} ms: {share:.2f}")
        known = is_described(work.model)  # else nobody knows what its answers are
        changed = changes(work.path, path, work.images.shown(MOST), work.runtime) if known else None
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
        runtime=find_engine(work.runtime).titled() if work.runtime != DEFAULT_RUNTIME else "ONNX Runtime",
    )


def is_described(model: onnx.ModelProto) -> bool:
    """Whether a file says how it is run, and what its answers are."""
    return any(entry.key == f"{PREFIX}task" for entry in model.metadata_props)


def _runtime_of(target: str, report: Report) -> str:
    """The runtime that a target's files are run in: its own where that is installed."""
    engine = find_target(target).engine
    if not engine:
        return DEFAULT_RUNTIME
    try:
        find_engine(engine).version()
    except InputError as error:
        report.warn(f"loss and time are measured in ONNX Runtime: {error.what}")
        return DEFAULT_RUNTIME
    return engine


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
        "runtime": found.runtime,
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
    lines.append(
        ("time", f"{after:.1f} ms, float32 {before:.1f} ms: {found.time:.2f}, in {found.runtime} on this machine")
    )
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
