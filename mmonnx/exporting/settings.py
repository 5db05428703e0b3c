"""What one export is asked for, and what came of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import List, NamedTuple, Optional

import onnx

from ..environment import compat
from ..loading import LoadOptions, Task
from ..precision import CHANNEL_OPSET, PrecisionSettings, kernels_of
from ..rewriting import CUSTOM_OPS
from ..runtime import check_operator_library, check_picture
from ..support import InputError, check_writable
from ..targets import TARGETS, Target, find_target
from ..verifying import BUDGET, NOTHING_COMPARED, CaseResult, Goal

MIN_OPSET = 11
IO_TYPES = ("fp32", "fp16")
PREPROCESSES = ("normalize", "resize")
"""What ``with_preprocess`` puts into the graph."""


@dataclass(frozen=True)
class ExportSettings:
    """Everything that one export is asked for.

    Attributes:
        config: a config's path, ``mmdet::...``, ``mmcls::...`` for one inside the installed package, or
            ``package.module:callable`` for what makes a plain model; empty for a task that no command can make.
        checkpoint: path of the weights, None for seeded random ones.
        output_file: the ONNX file to write.
        load: how the model is loaded.
        target: name of the runtime that the file is for.
        opset: opset of the file, None for the target's best one, or a later one that the model needs.
        custom_ops: ``mmcv`` to have mmcv's operators as nodes, ``none`` for standard operators alone, None for what the
            target has.
        custom_op_library: path of the library with which ``verify`` runs such a file as well, None for the one that
            an installed mmcv brings, if it brings one.
        check: refuse a file of which the target does not take every node.
        simplify: simplify the graph.
        winograd: compute convolutions of 3x3 by Winograd's algorithm where that is faster on a processor.
        verify: compare the file with PyTorch.
        verify_budget: the time that this may take, as a multiple of what comparing the answers takes.
        strict: refuse a model of which Python takes values out of the trace, which the file would hold as constants.
        test_image: the image to verify on, None for photographs that scikit-image ships.
        show_graph: print the graph.
        show_dir: folder for pictures of both results, None for none.
        precision: what the file is to be computed in.
        with_preprocess: ``normalize`` for a file that takes bytes (N, H, W, 3) of the network's size and does the rest
            of the test pipeline, ``resize`` for one that takes whole pictures; empty for one of prepared images.
        io_types: ``fp32`` or ``fp16``: the type of inputs and outputs that are floats.
    """

    config: str
    checkpoint: Optional[str] = None
    output_file: str = "tmp.onnx"
    load: LoadOptions = field(default_factory=LoadOptions)
    target: str = "onnxruntime"
    opset: Optional[int] = None
    custom_ops: Optional[str] = None
    custom_op_library: Optional[str] = None
    check: bool = True
    simplify: bool = False
    winograd: bool = False
    verify: bool = False
    verify_budget: float = BUDGET
    strict: bool = False
    test_image: Optional[str] = None
    show_graph: bool = False
    show_dir: Optional[str] = None
    precision: PrecisionSettings = field(default_factory=PrecisionSettings)
    with_preprocess: str = ""
    io_types: str = "fp32"


@dataclass(frozen=True)
class Exported:
    """What became of an export.

    Attributes:
        path: the file, None if it was not put in place because the verification failed.
        task: what was exported: its ``predict`` is PyTorch's own inference.
        model: the model.
        results: of the verification, None if it was not asked for.
        goals: what the verification had to reach, and whether it did.
    """

    path: Optional[Path]
    task: Task
    model: onnx.ModelProto
    results: Optional[List[CaseResult]]
    goals: List[Goal] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything that was asked for held."""
        return self.path is not None

    @property
    def mismatch(self) -> str:
        """Why the verification did not hold: the first case that did not, and what of it; empty if it held."""
        if self.ok:
            return ""
        results = self.results or ()
        failed = [result for result in results if not result.ok]
        if not failed:
            return NOTHING_COMPARED
        first, more = failed[0], len(failed) - 1
        others = f" (and {more} more of {len(results)} cases)" if more else ""
        problem = next(iter(first.problems), "it differs")
        return f"the file does not agree with PyTorch on {first.name}{others}: {problem}"


class Checked(NamedTuple):
    """What settings mean, once nothing in them is wrong.

    Attributes:
        target: the runtime that the file is for.
        opset: the file's.
        image: path of the picture to verify on, None for none.
    """

    target: Target
    opset: int
    image: Optional[str]


def checked(settings: ExportSettings) -> Checked:
    """Refuse what cannot work before anything is built.

    Raises:
        InputError: a value of the settings is wrong.
    """
    target = find_target(settings.target)
    newest = newest_opset(target)
    opset = _opset(settings, target, newest)
    if not MIN_OPSET <= opset <= newest:
        expected = f"{MIN_OPSET} to {newest} with this torch and {target.name}"
        raise InputError(f"opset {opset} is not supported", expected, "give one of these")
    if settings.custom_ops not in (None, *CUSTOM_OPS):
        raise InputError(f"custom_ops '{settings.custom_ops}' is unknown", ", ".join(CUSTOM_OPS), "give one of these")
    if settings.winograd:
        _check_winograd(settings, target)
    if settings.custom_op_library:
        check_operator_library(settings.custom_op_library)
    if settings.with_preprocess not in ("", *PREPROCESSES):
        raise InputError(
            f"with_preprocess {settings.with_preprocess!r} is unknown", " or ".join(PREPROCESSES), "give one of these"
        )
    if settings.io_types not in IO_TYPES:
        raise InputError(f"io_types {settings.io_types!r} is unknown", " or ".join(IO_TYPES), "give one of these")
    check_writable(settings.output_file)
    if settings.show_dir:
        check_writable(Path(settings.show_dir) / "picture.png")
    image = settings.test_image or settings.load.image
    if image:
        check_picture(image)
    return Checked(target, opset, image)


def _check_winograd(settings: ExportSettings, target: Target) -> None:
    if not target.capabilities.plain_convolutions:
        able = [name for name in TARGETS if find_target(name).capabilities.plain_convolutions]
        raise InputError(
            f"--winograd is of no use to {target.name}", f"a target that gains by it: {', '.join(able)}", "leave it out"
        )
    if settings.precision.reduces:
        precision = settings.precision.precision
        raise InputError(f"--winograd needs 32 bits, and --precision is {precision}", "one of them", "leave one out")


def _opset(settings: ExportSettings, target: Target, newest: int) -> int:
    """The opset of the file. Raises InputError if it is too early for the precision, or the target has none of it."""
    settings.precision.check()
    least = MIN_OPSET
    if settings.precision.reduces:
        kernels_of(target.name, settings.precision.precision)
        least = CHANNEL_OPSET if settings.precision.precision == "int8" else MIN_OPSET
    if settings.opset is None:
        return max(target.best_opset, min(least, newest))
    if MIN_OPSET <= settings.opset < least:
        raise InputError(
            f"opset {settings.opset} has no int8 weights with a scale for each channel",
            f"{least} or later",
            "leave --opset-version out",
        )
    return settings.opset


def newest_opset(target: Target) -> int:
    """The last opset that this torch writes and a target takes."""
    return min(compat.max_opset(), target.max_opset or compat.max_opset())
