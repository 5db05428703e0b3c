"""The stages of an export behind the loading: each takes a value and returns one, and tells what it did.

Tracing, simplifying, checking and verifying; ``mmonnx.pipeline`` is the way from one to the next.
"""

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, ContextManager, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import onnx

from ..graph import (
    Workshop,
    check_runs,
    check_target,
    count_nodes,
    file_size,
    needs_lowering,
    simplify,
    unused,
    walk_nodes,
    with_winograd,
)
from ..graph import lower as lower_for
from ..loading import Deployed, Task, channel_notes, second_shape, takes, to_numpy
from ..rewriting import ExportContext, custom_operators, lower
from ..runtime import Session, mmcv_operator_library, read_picture
from ..support import ExportError, NewerOpsetError
from ..targets import Target, find_target
from ..terminal import Report
from ..tracing import faults_of, find_probes, trace, unaltered
from ..verifying import (
    DARK,
    Case,
    Run,
    Verification,
    difference,
    make_cases,
    pictures,
    show_verification,
    verify,
    verify_model,
)
from . import own_runtime
from .settings import Checked, ExportSettings, newest_opset

_MAX_TOLD = 3
_FEW_PIXELS = 256 * 512
"""Of a picture on which a simplified model is compared with the traced one."""


class Final(NamedTuple):
    """A model as it is verified and written, but for its metadata.

    Attributes:
        task: what it is of, without inputs that it does not take.
        cases: what it is to be verified on.
        model: the model.
        before: the nodes that it had before it was simplified, None if that was not asked for.
        simplifier: the tool whose result it is, None if it is not simplified.
        traced: the names of the tensors inside that the trace gave, see ``verify_model``.
    """

    task: Task
    cases: List[Case]
    model: onnx.ModelProto
    before: Optional[int]
    simplifier: Optional[str]
    traced: Sequence[str] = ()


def for_target(task: Task, target: Target) -> Task:
    """The task with no more inputs than the target takes; a note says what that means."""
    if target.capabilities.optional_inputs or not task.optional:
        return task
    found = task.without(task.optional)
    if task.depends_on_padding:
        what = f"{target.name} has no inputs that may be left out: the file is not told where a picture is padded"
        found.notes = [*task.notes, f"{what}, and takes the padding for a part of it"]
    return found


def pictures_of(task: Task, image: Optional[str]) -> Optional[List[np.ndarray]]:
    """The user's picture to verify on, None for none; the task is told what it lacks."""
    if not image or not task.channels:
        return None
    pictures = [read_picture(image, task.channels)]
    notes = channel_notes(pictures, task.channels)
    task.notes += [note for note in notes if note not in task.notes]
    return pictures


def trace_model(
    settings: ExportSettings,
    task: Task,
    form: Deployed,
    cases: Sequence[Case],
    asked: Checked,
    report: Report,
) -> onnx.ModelProto:
    """The traced model; where nobody asked for an opset, at a later one if it has an operator that this one lacks.

    The task is told the faults that the trace shows.
    """
    target, opset = asked.target, asked.opset
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
                if settings.opset is not None or not opset < error.opset <= newest_opset(target):
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
            "fix these lines, or leave --strict out",
        )
    for line in task.faults:
        report.warn(line)
    for name in unused(traced, [name for name in task.inputs if name not in task.optional]):
        report.warn(f"input {name!r} is not used: the file takes it, and gives the same whatever it is")
    return traced


def _some(names: Sequence[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]


def workshop(settings: ExportSettings) -> ContextManager[Optional[Workshop]]:
    """Where the model is simplified once it is traced, if it is."""
    return Workshop() if settings.simplify else nullcontext()


def simplify_model(
    settings: ExportSettings,
    task: Task,
    cases: Sequence[Case],
    traced: onnx.ModelProto,
    report: Report,
    workshop: Optional[Workshop] = None,
) -> Tuple[onnx.ModelProto, Optional[str]]:
    """The simplified model and the simplifier, or the traced one and None, checked either way."""
    if not settings.simplify:
        with report.stage("run") as stage:
            check_runs(traced, [to_numpy(task.inputs)])
            stage.note("runs in ONNX Runtime")
        return traced, None
    feeds = _compared(settings, task, cases)
    with report.stage("simplify") as stage:
        result = simplify(traced, feeds, partial(difference, task), started=stage.show, workshop=workshop)
        stage.note(f"{result.tool or 'none'}, {count_nodes(result.model)} nodes, {file_size(result.model)}")
    for tool, reason in result.rejected:
        report.warn(f"{tool} was not used: {reason}")
    if result.tool is None:
        report.warn("no simplifier kept the model's answers: the file is not simplified")
    return result.model, result.tool


def _compared(settings: ExportSettings, task: Task, cases: Sequence[Case]) -> List[Dict[str, np.ndarray]]:
    """What a simplified model is compared on with the traced one: of the batches and padding of the cases, in sizes.

    A simplifier's mistake is a number that is right for one size or batch alone, which shows at any other, the smaller
    the cheaper. The size of the export itself is left to the verification, where there is one.
    """
    taken = list(cases)
    if task.dynamic_size and task.preprocess is not None:
        shown = list(cases[0].images)
        small = _smaller(task)
        if small != task.shape:
            fewer = make_cases(replace(task, other_shape=None), shown, small, settings.load.batch)
            if takes(task, fewer[1].feeds):  # the smallest of them
                taken = fewer if settings.verify else [cases[0], *fewer]
        else:
            third = second_shape(second_shape(task.shape, task.divisor), task.divisor)
            feeds = task.preprocess(shown, third)
            if takes(task, feeds):  # it may be too small for the model
                taken.append(Case("third", feeds, ()))
    # not the dark image: there, what survives depends on rounding, which a simplifier changes
    return [to_numpy(case.feeds) for case in taken if not case.name.startswith(DARK)]


def _smaller(task: Task) -> Tuple[int, int]:
    """A size, (height, width), of few pixels; the task's own for a model that takes no small pictures.

    Of one whose sides are multiples of many pixels, as EfficientDet B3's of 896, the fewest that are found.
    """
    size, smaller = task.shape, second_shape(task.shape, task.divisor)
    while prod(size) > max(_FEW_PIXELS, prod(smaller)) and not task.larger_shape:
        size, smaller = smaller, second_shape(smaller, task.divisor)
    return size


def by_winograd(task: Task, model: onnx.ModelProto, report: Report) -> onnx.ModelProto:
    """The model with Winograd's algorithm in the place of the convolutions that it is faster than."""
    with report.stage("winograd") as stage:
        result, count = with_winograd(model, to_numpy(task.inputs))
        stage.note(f"{count} of {_convolutions(model)} convolutions, {file_size(result)}")
    if not count:
        report.warn("no convolution would be faster by Winograd's algorithm: the file is as it is without --winograd")
    return result


def _convolutions(model: onnx.ModelProto) -> int:
    return sum(node.op_type == "Conv" for node in walk_nodes(model.graph))


def lower_model(model: onnx.ModelProto, target: Target, report: Report) -> onnx.ModelProto:
    """The model with what the target lacks written in what it has; a warning where numbers are limited by that."""
    if not needs_lowering(target):
        return model
    with report.stage("lower") as stage:
        lowered = lower_for(model, target)
        kinds = ", ".join(f"{name} ({count})" for name, count in sorted(lowered.written.items()))
        stage.note(f"written in {target.name}'s operators: {kinds}" if kinds else "nothing to write otherwise")
    if lowered.limited:
        names = " and ".join(lowered.limited)
        report.warn(f"{target.name} has {names} of 32-bit floats alone: whole numbers are exact up to 2**24")
    return lowered.model


def check_model(model: onnx.ModelProto, target: Target, report: Report) -> None:
    """Refuse a model of which the target does not take every node."""
    with report.stage("check") as stage:
        findings = check_target(model, target)
        stage.note(f"{len(findings)} findings for {target.name}" if findings else f"{target.name} supports every node")
    if findings:
        first = ". ".join(map(str, findings[:_MAX_TOLD]))
        more = f". And {len(findings) - _MAX_TOLD} more" if len(findings) > _MAX_TOLD else ""
        raise ExportError(
            f"{target.name} does not support the model as it is. {first}{more}",
            "nodes that it supports",
            "give another --target, or --no-check to write it all the same",
        )


def verify_final(
    settings: ExportSettings,
    task: Task,
    cases: Sequence[Case],
    model: onnx.ModelProto,
    file: onnx.ModelProto,
    report: Report,
    traced: Sequence[str] = (),
) -> Verification:
    """Compare the model with PyTorch, in each way in which its file is run, and draw both where that is asked for.

    Args:
        settings: what is asked for.
        task: the model in PyTorch.
        cases: what to compare on.
        model: the file's model, with the bodies of custom operators.
        file: as it is written; where all holds so far, it is run in the target's own runtime as well, if that is there.
        report: where it is told.
        traced: see ``verify_model``.
    """
    target = find_target(settings.target)
    alone = own_runtime.why_not(target)
    if alone:
        report.warn(alone)
    if model.functions and not target.capabilities.local_functions:
        report.warn("the file is verified with the bodies of mmcv's operators, which it does not hold itself")
    with report.stage("verify") as stage:
        (how, first), *others = _ways(settings, model)
        shown = partial(_show, task, Path(settings.show_dir)) if settings.show_dir else None

        def load(part: onnx.ModelProto) -> Run:
            return Session(part, settings.load.device, custom_op_library=first, arena=False).run

        spare = not target.capabilities.empty_tensors
        budget = settings.verify_budget
        verified = verify_model(task, model, _labelled(cases, how), load, budget, stage.progress, shown, spare, traced)
        for how, library in others:
            session = Session(model, settings.load.device, custom_op_library=library, arena=False)
            verified.results.extend(verify(task, session.run, _labelled(cases, how), stage.progress, shown))
        if target.engine and not alone and verified.ok:
            there = own_runtime.verify_there(task, cases, file, target, stage.progress, shown)
            verified.results.extend(there)
        good = sum(result.ok for result in verified.results)
        stage.note(f"{good} of {len(verified.results)} cases agree with PyTorch")
        if settings.show_dir:
            stage.note(f"pictures in {settings.show_dir}")
    show_verification(report, verified)
    return verified


def _show(task: Task, folder: Path, case: Case, expected: Any, actual: Any) -> None:
    if case.images:
        pictures.side_by_side(task, case, expected, actual, folder / pictures.file_name(case))


def _labelled(cases: Sequence[Case], how: str) -> List[Case]:
    """Cases with the way in which a file is run in their names."""
    return [replace(case, name=f"{case.name}{how}") for case in cases]


def _ways(settings: ExportSettings, model: onnx.ModelProto) -> List[Tuple[str, Optional[str]]]:
    """In what ways a file is run, as ends of the cases' names, and the operator library of each."""
    if not model.functions:
        return [("", None)]
    library = settings.custom_op_library or mmcv_operator_library()
    return [(", by functions", None)] + ([(f", by {Path(library).name}", library)] if library else [])
