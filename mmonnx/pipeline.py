"""The way of the data: from a config and a checkpoint to a checked file. Each stage takes a value and returns one."""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import onnx

from . import codebases, compat, describe, visualize
from .atomic import check_writable
from .codebases.base import Feeds, Task, to_numpy
from .codebases.channels import channel_notes
from .codebases.deploying import Deployed, deployed
from .codebases.images import second_shape
from .codebases.sizes import refusal
from .errors import ExportError, InputError, NewerOpsetError
from .following import check_it, load_it, verify_it
from .graph.annotate import annotate
from .graph.check import check_runs, check_target
from .graph.functions import walk_nodes, without_functions
from .graph.lower import CUSTOM_OPS, custom_operators, lower
from .graph.names import named
from .graph.optional import unused, with_defaults, without_inputs
from .graph.parts import part
from .graph.shapes import declared
from .graph.simplify import count_nodes, file_size, simplify
from .graph.write import write_model
from .report import Report, summary
from .rewrites import ExportContext
from .runtime.images import check_picture, read_picture
from .runtimes.onnxruntime import Session, check_operator_library, mmcv_operator_library
from .surroundings import ordinary
from .symbolics.functions import MMCV
from .targets import Target, find_target
from .threads import alone
from .tracing import faults_of, find_probes, trace
from .verify import (
    BUDGET,
    NOTHING_COMPARED,
    Case,
    CaseResult,
    Goal,
    Run,
    Verification,
    difference,
    make_cases,
    verify,
    verify_model,
)
from .verifying.cases import DARK
from .verifying.probes import unaltered
from .version import __version__

MIN_OPSET = 11
_MAX_TOLD = 3
_FIND_SOMETHING = "give a --test-img in which the model finds something"


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
        verify: compare the file with PyTorch.
        verify_budget: the time that this may take, as a multiple of what comparing the answers takes.
        strict: refuse a model of which Python takes values out of the trace, which the file would hold as constants.
        test_image: the image to verify on, None for photographs that scikit-image ships.
        show_graph: print the graph.
        show_dir: folder for pictures of both results, None for none.
    """

    config: str
    checkpoint: Optional[str] = None
    output_file: str = "tmp.onnx"
    load: codebases.LoadOptions = field(default_factory=codebases.LoadOptions)
    target: str = "onnxruntime"
    opset: Optional[int] = None
    custom_ops: Optional[str] = None
    custom_op_library: Optional[str] = None
    check: bool = True
    simplify: bool = False
    verify: bool = False
    verify_budget: float = BUDGET
    strict: bool = False
    test_image: Optional[str] = None
    show_graph: bool = False
    show_dir: Optional[str] = None


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
        failed = [result for result in self.results or () if not result.ok]
        if not failed:
            return NOTHING_COMPARED
        first, more = failed[0], len(failed) - 1
        others = f" (and {more} more of {len(self.results)} cases)" if more else ""
        problem = next(iter(first.problems), "it differs")
        return f"the file does not agree with PyTorch on {first.name}{others}: {problem}"


@alone()
@ordinary()
def export(settings: ExportSettings, report: Optional[Report] = None) -> Exported:
    """Export a model to ONNX: load, trace, simplify, check, verify, write; one export of a process after the other.

    Args:
        settings: what is asked for.
        report: where progress is told; standard output if None.

    Raises:
        InputError: something that the user gave is wrong; nothing was written.
        ExportError: the model cannot be exported; nothing was written.
    """
    report = report or Report()
    compat.check_versions()
    checked = _check_settings(settings)
    with report.stage("load") as stage:
        task = codebases.load(settings.config, settings.checkpoint, settings.load)
        stage.note(f"{task.title}, {settings.checkpoint or 'random weights'}")
    return _export(task, settings, report, *checked)


@alone()
def export_task(task: Task, settings: ExportSettings, report: Optional[Report] = None) -> Exported:
    """Export a model that is a task already; arguments and errors are otherwise those of ``export``.

    Args:
        task: the model, made with the options ``settings.load``.
        settings: what is asked for; ``config`` is written into the file, and nothing is loaded.
        report: where progress is told.
    """
    with ordinary(task.module):
        return _export(task, settings, report or Report(), *_check_settings(settings))


def _export(
    task: Task,
    settings: ExportSettings,
    report: Report,
    target: Target,
    opset: int,
    image: Optional[str],
) -> Exported:
    task = _for_target(task, target)
    images = _pictures(task, image)
    for note in task.notes:
        report.warn(note)
    final = _final(settings, task, images, target, opset, report)
    task, cases, model, tool = final.task, final.cases, final.model, final.simplifier
    about = describe.properties(task, settings.config, settings.checkpoint, settings.load, target.name, tool)
    model = annotate(model, about, __version__)
    file = model if target.capabilities.local_functions else without_functions(model)
    if settings.check:
        _check(file, target, report)
    verified = _verify(settings, task, cases, model, report) if settings.verify else None
    held = verified is None or verified.ok
    file = annotate(file, describe.verification(verified), __version__)
    if held:
        with report.stage("write") as stage:
            write_model(file, settings.output_file)
            stage.note(f"{settings.output_file}, {file_size(file)}")
    if settings.show_graph:
        report.text(onnx.helper.printable_graph(file.graph))
    report.table(summary(file, final.before, tool, verified, path=settings.output_file if held else ""))
    _close(settings, file, verified, held, report)
    path, results = Path(settings.output_file) if held else None, None if verified is None else verified.results
    return Exported(path, task, file, results, [] if verified is None else verified.goals)


class Final(NamedTuple):
    """A model as it is verified and written, but for its metadata.

    Attributes:
        task: what it is of, without inputs that it does not take.
        cases: what it is to be verified on.
        model: the model.
        before: the nodes that it had before it was simplified, None if that was not asked for.
        simplifier: the tool whose result it is, None if it is not simplified.
    """

    task: Task
    cases: List[Case]
    model: onnx.ModelProto
    before: Optional[int]
    simplifier: Optional[str]


def final_model(task: Task, settings: ExportSettings, report: Optional[Report] = None) -> Final:
    """A task's model as an export verifies it; nothing is written. Args and errors are those of ``export_task``."""
    target, opset, image = _check_settings(settings)
    task = _for_target(task, target)
    return _final(settings, task, _pictures(task, image), target, opset, report or Report())


def _pictures(task: Task, image: Optional[str]) -> Optional[List[np.ndarray]]:
    """The user's picture to verify on, None for none; the task is told what it lacks."""
    if not image or not task.channels:
        return None
    pictures = [read_picture(image, task.channels)]
    notes = channel_notes(pictures, task.channels)
    task.notes += [note for note in notes if note not in task.notes]
    return pictures


def _final(
    settings: ExportSettings,
    task: Task,
    images: Optional[List[np.ndarray]],
    target: Target,
    opset: int,
    report: Report,
) -> Final:
    cases = make_cases(task, images, task.shape, settings.load.batch)
    # of a large model no stage's result outlives the next stage
    form = deployed(task)
    model = _trace(settings, task, form, cases, target, opset, report)
    modules = [name for name, _ in form.task.module.named_modules()]
    del form
    idle = unused(model, task.optional)
    if idle:
        task, model = task.without(idle), without_inputs(model, idle)
        cases = make_cases(task, images, task.shape, settings.load.batch)
    before = count_nodes(model) if settings.simplify else None
    model, tool = _simplify(settings, task, cases, model, report)
    probes = [value.name for value in model.graph.output if value.name not in task.output_names]
    model = part(model, task.output_names)  # what the probes gave stays inside, under its name
    model = declared(model, task.output_shapes, [_shapes(task.inputs), *(_shapes(case.feeds) for case in cases)])
    model = named(model, modules, probes)
    return Final(task, cases, with_defaults(model, task.optional), before, tool)


def _shapes(feeds: Feeds) -> Dict[str, Tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in feeds.items()}


def _check_settings(settings: ExportSettings) -> Tuple[Target, int, Optional[str]]:
    """Refuse what cannot work before anything is built; the target, the opset, and the image to verify on."""
    target = find_target(settings.target)
    opset = target.best_opset if settings.opset is None else settings.opset
    newest = _newest_opset(target)
    if not MIN_OPSET <= opset <= newest:
        expected = f"{MIN_OPSET} to {newest} with this torch and {target.name}"
        raise InputError(f"opset {opset} is not supported", expected, "give one of these")
    if settings.custom_ops not in (None, *CUSTOM_OPS):
        raise InputError(f"custom_ops '{settings.custom_ops}' is unknown", ", ".join(CUSTOM_OPS), "give one of these")
    if settings.custom_op_library:
        check_operator_library(settings.custom_op_library)
    check_writable(settings.output_file)
    if settings.show_dir:
        check_writable(Path(settings.show_dir) / "picture.png")
    image = settings.test_image or settings.load.image
    if image:
        check_picture(image)
    return target, opset, image


def _for_target(task: Task, target: Target) -> Task:
    """The task with no more inputs than the target takes; a note says what that means."""
    if target.capabilities.optional_inputs or not task.optional:
        return task
    found = task.without(task.optional)
    if task.hangs_on_padding:
        what = f"{target.name} has no inputs that may be left out: the file is not told where a picture is padded"
        found.notes = [*task.notes, f"{what}, and takes the padding for a part of it"]
    return found


def _newest_opset(target: Target) -> int:
    return min(compat.max_opset(), target.max_opset or compat.max_opset())


def _trace(
    settings: ExportSettings,
    task: Task,
    form: Deployed,
    cases: Sequence[Case],
    target: Target,
    opset: int,
    report: Report,
) -> onnx.ModelProto:
    """The traced model; where nobody asked for an opset, at a later one if it has an operator that this one lacks.

    The task is told the faults that the trace shows.
    """
    custom_ops = custom_operators(target, settings.custom_ops or target.custom_ops)
    reasons = []
    with report.stage("trace") as stage:
        probes = find_probes(form.task, opset, ExportContext(target.capabilities, custom_ops))
        probes = unaltered(probes, task.module, form.task.module)
        while True:
            try:
                context = ExportContext(target.capabilities, custom_ops)
                traced = lower(trace(form.task, opset, context, probes), custom_ops)
                break
            except NewerOpsetError as error:
                if settings.opset is not None or not opset < error.opset <= _newest_opset(target):
                    raise
                opset = error.opset
                reasons.append(error.what)
            except ExportError:
                if not probes:
                    raise
                probes = []  # a layer may be called otherwise while it is traced
        traced_faults = faults_of(form.task, context, [case.feeds for case in cases[1:]])
        task.faults = list(dict.fromkeys([*task.faults, *traced_faults]))
        stage.note(f"{count_nodes(traced)} nodes, {file_size(traced)}")
        if form.switched:
            stage.note(f"{_some(form.switched)} in the form for deployment")
    for note in form.notes:
        report.warn(note)
    for reason in reasons:
        report.warn(f"the file has opset {opset}: {reason}")
    if task.faults and settings.strict:
        raise ExportError(
            f"the file would not follow {task.title} everywhere: {'. '.join(task.faults)}",
            "a model whose values all stay tensors",
            "mend these lines, or leave --strict out",
        )
    for line in task.faults:
        report.warn(line)
    for name in unused(traced, [name for name in task.inputs if name not in task.optional]):
        report.warn(f"input {name!r} is not used: the file takes it, and gives the same whatever it is")
    return traced


def _some(names: Sequence[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]


def _simplify(
    settings: ExportSettings, task: Task, cases: Sequence[Case], traced: onnx.ModelProto, report: Report
) -> Tuple[onnx.ModelProto, Optional[str]]:
    """The simplified model and the simplifier, or the traced one and None, checked either way."""
    if not settings.simplify:
        with report.stage("run") as stage:
            check_runs(traced, [to_numpy(task.inputs)])
            stage.note("runs in ONNX Runtime")
        return traced, None
    # not the dark image: there, what survives hangs on rounding, which a simplifier changes
    feeds = [to_numpy(case.feeds) for case in cases if not case.name.startswith(DARK)]
    if task.dynamic_size:
        third = task.preprocess(cases[0].images, second_shape(second_shape(task.shape, task.divisor), task.divisor))
        if refusal(partial(task.predict, third)) is None:  # it may be too small for the model
            feeds.append(to_numpy(third))

    with report.stage("simplify") as stage:
        result = simplify(traced, feeds, partial(difference, task))
        stage.note(f"{result.tool or 'none'}, {count_nodes(result.model)} nodes, {file_size(result.model)}")
    for tool, reason in result.rejected:
        report.warn(f"{tool} was not used: {reason}")
    if result.tool is None:
        report.warn("no simplifier kept the model right: the file is the unsimplified one")
    return result.model, result.tool


def _check(model: onnx.ModelProto, target: Target, report: Report) -> None:
    """Refuse a model of which the target does not take every node."""
    with report.stage("check") as stage:
        findings = check_target(model, target)
        stage.note(f"{len(findings)} findings for {target.name}" if findings else f"{target.name} takes every node")
    if findings:
        first = ". ".join(map(str, findings[:_MAX_TOLD]))
        more = f". And {len(findings) - _MAX_TOLD} more" if len(findings) > _MAX_TOLD else ""
        raise ExportError(
            f"{target.name} does not take the model as it is. {first}{more}",
            "nodes that it takes",
            "give another --target, or --no-check to write it all the same",
        )


def _verify(
    settings: ExportSettings, task: Task, cases: Sequence[Case], model: onnx.ModelProto, report: Report
) -> Verification:
    def show(case: Case, expected: Any, actual: Any) -> None:
        if case.images:
            visualize.side_by_side(task, case, expected, actual, Path(settings.show_dir) / visualize.file_name(case))

    if model.functions and not find_target(settings.target).capabilities.local_functions:
        report.warn("the file is verified with the bodies of mmcv's operators, which it does not hold itself")
    with report.stage("verify") as stage:
        (how, first), *others = _ways(settings, model)
        shown = show if settings.show_dir else None

        def load(part: onnx.ModelProto) -> Run:
            return Session(part, settings.load.device, custom_op_library=first).run

        spare = not find_target(settings.target).capabilities.empty_tensors
        budget = settings.verify_budget
        verified = verify_model(task, model, _labelled(cases, how), load, budget, stage.progress, shown, spare)
        for how, library in others:
            session = Session(model, settings.load.device, custom_op_library=library)
            verified.results.extend(verify(task, session.run, _labelled(cases, how), stage.progress, shown))
        good = sum(result.ok for result in verified.results)
        stage.note(f"{good} of {len(verified.results)} cases agree with PyTorch")
        if settings.show_dir:
            stage.note(f"pictures in {settings.show_dir}")
    report.verification(verified)
    return verified


def _labelled(cases: Sequence[Case], how: str) -> List[Case]:
    """Cases with the way in which a file is run in their names."""
    return [replace(case, name=f"{case.name}{how}") for case in cases]


def _ways(settings: ExportSettings, model: onnx.ModelProto) -> List[Tuple[str, Optional[str]]]:
    """In what ways a file is run, as ends of the cases' names, and the operator library of each."""
    if not model.functions:
        return [("", None)]
    library = settings.custom_op_library or mmcv_operator_library()
    return [(", by functions", None)] + ([(f", by {Path(library).name}", library)] if library else [])


def _close(
    settings: ExportSettings,
    file: onnx.ModelProto,
    verified: Optional[Verification],
    held: bool,
    report: Report,
) -> None:
    if not held:
        names = ", ".join(result.name for result in verified.results if not result.ok)
        reason = (
            f"the file does not agree with PyTorch on {names}" if names else f"{NOTHING_COMPARED}; {_FIND_SOMETHING}"
        )
        report.warn(f"{settings.output_file} was not written: {reason}")
    elif verified is None and settings.config:
        report.next_command(verify_it(settings))
    elif not file.functions and any(node.domain == MMCV for node in walk_nodes(file.graph)):
        # no other runtime loads it
        report.next_command(check_it(settings.output_file, settings.target))
    else:
        report.next_command(load_it(settings.output_file))
