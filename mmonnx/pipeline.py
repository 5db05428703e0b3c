"""The way of the data: from a config and a checkpoint to a checked file. Each stage takes a value and returns one."""

from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import numpy as np
import onnx

from .environment import compat, ordinary
from .exporting import Checked, Exported, ExportSettings, Final, checked, close, describe, embedded, stages, summary
from .graph import (
    annotate,
    count_nodes,
    declared,
    file_size,
    named,
    part,
    unused,
    with_defaults,
    with_half_io,
    without_functions,
    without_inputs,
    write_model,
)
from .loading import Feeds, Task, deployed, load
from .precision import Reduced, properties, reduce, show_layers
from .support import __version__, alone
from .terminal import Report
from .verifying import make_cases

__all__ = ["ExportSettings", "Exported", "Final", "export", "export_task", "final_model"]


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
    asked = checked(settings)
    with report.stage("load") as stage:
        task = load(settings.config, settings.checkpoint, settings.load)
        stage.note(f"{task.title}, {settings.checkpoint or 'random weights'}")
    return _export(task, settings, report, asked)


@alone()
def export_task(task: Task, settings: ExportSettings, report: Optional[Report] = None) -> Exported:
    """Export a model that is a task already; arguments and errors are otherwise those of ``export``.

    Args:
        task: the model, made with the options ``settings.load``.
        settings: what is asked for; ``config`` is written into the file, and nothing is loaded.
        report: where progress is told.
    """
    with ordinary(task.module):
        return _export(task, settings, report or Report(), checked(settings))


def _export(task: Task, settings: ExportSettings, report: Report, asked: Checked) -> Exported:
    target = asked.target
    task = stages.for_target(task, target)
    images = stages.pictures_of(task, asked.image)
    for note in task.notes:
        report.warn(note)
    final = _final(settings, task, images, asked, report)
    task, cases, model, tool = final.task, final.cases, final.model, final.simplifier
    about = describe.properties(task, settings.config, settings.checkpoint, settings.load, target.name, tool)
    model = annotate(model, about, __version__)
    file = model if target.capabilities.local_functions else without_functions(model)
    if settings.check:
        stages.check_model(file, target, report)
    verified = (
        stages.verify_final(settings, task, cases, model, file, report, final.traced) if settings.verify else None
    )
    held = verified is None or verified.ok
    file = annotate(file, describe.verification(verified), __version__)
    reduced = _reduced(settings, file, report) if held and settings.precision.reduces else None
    if reduced is not None:
        file = annotate(reduced.model, properties(reduced), __version__)
        if settings.check:
            stages.check_model(file, target, report)
    if held and settings.with_preprocess:
        file = embedded(file, task, settings, report)
    if settings.io_types == "fp16":
        file = with_half_io(file)
    if settings.check and (settings.with_preprocess or settings.io_types != "fp32"):
        stages.check_model(file, target, report)
    if held:
        with report.stage("write") as stage:
            write_model(file, settings.output_file)
            stage.note(f"{settings.output_file}, {file_size(file)}")
    if settings.show_graph:
        report.text(onnx.helper.printable_graph(file.graph))
    path = settings.output_file if held else ""
    if reduced is not None:
        show_layers(reduced, report)
    report.table(summary(file, final.before, tool, verified, path=path, reduced=reduced))
    close(settings, file, verified, held, report)
    results = None if verified is None else verified.results
    return Exported(Path(path) if held else None, task, file, results, [] if verified is None else verified.goals)


def _reduced(settings: ExportSettings, file: onnx.ModelProto, report: Report) -> Reduced:
    """The file in the precision that is asked for; its images and metric are those of the config."""
    asked = settings.precision
    config = asked.config or settings.config or None
    return reduce(
        file,
        replace(asked, config=config, cfg_options=settings.load.cfg_options, target=settings.target),
        report,
    )


def final_model(task: Task, settings: ExportSettings, report: Optional[Report] = None) -> Final:
    """A task's model as an export verifies it; nothing is written. Args and errors are those of ``export_task``."""
    asked = checked(settings)
    task = stages.for_target(task, asked.target)
    return _final(settings, task, stages.pictures_of(task, asked.image), asked, report or Report())


def _final(
    settings: ExportSettings,
    task: Task,
    images: Optional[List[np.ndarray]],
    asked: Checked,
    report: Report,
) -> Final:
    cases = make_cases(task, images, task.shape, settings.load.batch)
    # of a large model no stage's result outlives the next stage
    form = deployed(task)
    with stages.workshop(settings) as workshop:
        model = stages.trace_model(settings, task, form, cases, asked, report)
        modules = [name for name, _ in form.task.module.named_modules()]
        del form
        idle = unused(model, task.optional)
        if idle:
            task, model = task.without(idle), without_inputs(model, idle)
            cases = make_cases(task, images, task.shape, settings.load.batch)
        before = count_nodes(model) if settings.simplify else None
        model, tool = stages.simplify_model(settings, task, cases, model, report, workshop)
    probes = [value.name for value in model.graph.output if value.name not in task.output_names]
    model = part(model, task.output_names)  # what the probes gave stays inside, under its name
    model = declared(model, task.output_shapes, [_shapes(task.inputs), *(_shapes(case.feeds) for case in cases)])
    model = named(model, modules, probes)
    if settings.winograd:
        model = stages.by_winograd(task, model, report)
    model = stages.lower_model(model, asked.target, report)
    return Final(task, cases, with_defaults(model, task.optional), before, tool, probes)


def _shapes(feeds: Feeds) -> Dict[str, Tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in feeds.items()}
