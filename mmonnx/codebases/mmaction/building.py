"""Models of MMAction2 0.x as tasks."""

import importlib
import warnings
from dataclasses import replace
from functools import partial
from typing import Any, Callable, Dict, List, Optional, Sequence

import numpy as np
import torch
from torch import nn

from ...loading import (
    Codebase,
    Feeds,
    LoadOptions,
    Task,
    another_size,
    build,
    channel_notes,
    check_device,
    check_size,
    larger_size,
    refusal,
    sample_images,
    test_pipeline,
)
from ...runtime import Scores
from ...support import InputError
from .actions import detects_actions, make_action_task, reason_against
from .families import Family, draws, family_of
from .layouts import DEFAULT_SHAPE, Layout, Shape, Transforms, layout_of
from .localizers import kind_of, make_localizer_task
from .module import RecognizerModule
from .pipelines import normalise_in_pipeline, steps_of
from .skeletons import make_skeleton_task

__all__ = ["DEFAULT_SHAPE", "build_task", "built", "describe", "make_task"]

_MANY_VALUES = 64 * 112 * 112
"""Of a clip, of which a larger one takes long."""


def build_task(codebase: Codebase, config: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
    """Build the model of a config and make it a task; see ``Codebase.build``.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the checkpoint, the device, the image or an option is wrong, or the model is of no known family.
        ExportError: the model cannot be built.
    """
    if options.topk is not None or not options.softmax:
        raise InputError("--topk and --no-softmax are for classifiers", f"no such option for {title}", "leave it out")
    if options.skip_postprocess:
        raise InputError(
            f"--skip-postprocess has nothing to skip of {title}",
            "its scores, as the network gives them",
            "leave it out",
        )
    check_device(options.device)
    _check_known(config, title)
    normalise_in_pipeline(config)
    model = build(config, built, options, initialised=True).to(options.device)
    task = _make_task(model, f"{title} ({_kind(model)})", test_pipeline(config), options)
    _, notes = codebase.give_weights(model, checkpoint, options, _runs(task, options), config.model)
    codebase.describe(task, config, {})
    task.notes += notes
    return task


def _check_known(config: Any, title: str) -> None:
    """Refuse by its config a model of which more than its network is outside of PyTorch, before it is built.

    Raises:
        InputError: it is one.
    """
    kind = str(config.model.type)
    reason = "its proposals are pooled in Python, by places that the test set names" if kind == "SSN" else None
    if detects_actions(config.model):
        reason = reason_against(config.model)
    if reason is not None:
        raise InputError(
            f"{title} is a {kind}: {reason}",
            "a recognizer, a BMN, a TEM, a PEM or a detector of actions of mmaction2",
            "export its backbone: give it to mmonnx.export as a plain module",
        )


def make_task(model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions) -> Task:
    """Make a built model, in eval mode and on the device of ``options``, a task; see ``Codebase.task_of``.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the size is not one of the model's, or it is of no family that is known.
    """
    return _make_task(model, title, [] if norm is None else [norm], options)


def describe(task: Task, config: Any) -> None:
    """Let a task know how its config's test pipeline prepares clips."""
    module: Any = task.module
    if getattr(module, "layout", None) is None:
        return
    task.pipeline = steps_of(config, module.layout.frames)


def _make_task(model: Any, title: str, transforms: Transforms, options: LoadOptions) -> Task:
    if kind_of(model) is not None:
        return make_localizer_task(model, title, options)
    if detects_actions(model):
        return make_action_task(model, title, transforms, options)
    family = family_of(model)
    if family is None:
        raise InputError(
            f"{title} is a {type(model).__name__}, which is exported as a plain module alone",
            "a Recognizer2D, a Recognizer3D, an AudioRecognizer, a SkeletonGCN, a BMN, a TEM or a PEM of mmaction2",
            "give its network to mmonnx.export",
        )
    if options.is_localizer:
        raise InputError(f"--is-localizer: {title} is a recognizer", "a localizer", "leave it out")
    if not family.of_clips:
        return make_skeleton_task(model, family, title, transforms, options)
    return _clip_task(model, family, title, layout_of(model, transforms, options, title), options)


def _clip_task(model: Any, family: Family, title: str, layout: Layout, options: LoadOptions) -> Task:
    if options.sample_shape is not None:
        options = replace(options, batch=options.sample_shape[0])
    samples = sample_images(options, layout.channels)
    pictures = [samples[number % len(samples)] for number in range(options.batch)]
    device, softmax = torch.device(options.device), _needs_softmax(model, options)

    def prepare(images: Sequence[np.ndarray], size: Shape, clips: Optional[int] = None) -> Feeds:
        return {"input": layout.feed(images, size, clips).to(device)}

    def run(size: Shape) -> Any:
        return family.predict(model, prepare(samples[:1], size)["input"])

    check_size(title, layout.size, run, replace(options, dynamic=False))
    many = (layout.frames or 1) * layout.clips * layout.size[0] * layout.size[1] > _MANY_VALUES
    module = RecognizerModule(model, family, softmax).eval()
    module.layout = layout  # for ``describe``
    task = Task(
        codebase="mmaction",
        title=title,
        module=module,
        inputs=prepare(pictures, layout.size),
        output_names=[_output_name(model, softmax)],
        dynamic_axes={},
        predict=partial(_predict, model, family, softmax),
        read=_read,
        preprocess=prepare,
        other_shape=another_size(title, layout.size, run) if options.dynamic else None,
        larger_shape=None if many else larger_size(layout.size, run, options),
        notes=channel_notes(samples, layout.channels),
    )
    if draws(model):
        task.notes.append("the model draws at random which frames it relates, at each call: the file has one choice")
    _name_axes(task, layout, options)
    if options.dynamic or options.dynamic_batch:
        more = prepare(samples[-1:], layout.size, layout.clips + layout.unit)
        if refusal(lambda: family.predict(model, more["input"])) is None:
            task.samples["more clips"] = more
            task.dynamic_axes["input"][1] = "clips"
    return task


def _runs(task: Task, options: LoadOptions) -> Callable[[], Any]:
    """What runs a task's model on two inputs that differ, or as many as a sample has."""
    feeds = task.inputs
    if task.preprocess is not None:
        feeds = task.preprocess((sample_images(options, task.channels) * 2)[:2], task.shape)
    return partial(task.predict, feeds)


def _predict(model: Any, family: Family, softmax: bool, feeds: Feeds) -> List[Scores]:
    """The model's own test, a result for each row of its answer."""
    rows = np.asarray(family.predict(model, feeds["input"]))
    rows = rows.reshape(len(rows), -1)
    return [Scores(_softmax(row) if softmax else row) for row in rows]


def _softmax(row: np.ndarray) -> np.ndarray:
    return torch.from_numpy(row).softmax(0).numpy()


def _read(outputs: Dict[str, np.ndarray]) -> List[Scores]:
    (rows,) = outputs.values()
    return [Scores(row) for row in rows]


def _name_axes(task: Task, layout: Layout, options: LoadOptions) -> None:
    """Name the axes that are to be dynamic."""
    if options.dynamic or options.dynamic_batch:
        task.dynamic_axes = {name: {0: "batch"} for name in ["input", *task.output_names]}
    if options.dynamic:
        task.dynamic_axes["input"].update({layout.size_axis: "height", layout.size_axis + 1: "width"})
    elif options.dynamic_batch:
        height, width = task.shape
        task.notes.append(f"--dynamic-batch: height and width are {height}x{width}")


def _averages(model: Any) -> Optional[str]:
    """How a model makes scores of those of the views: ``prob``, ``score``, or None for not."""
    found = (getattr(model, "test_cfg", None) or {}).get("average_clips")
    return None if found is None else str(found)


def _needs_softmax(model: Any, options: LoadOptions) -> bool:
    return options.add_softmax and _averages(model) != "prob"


def _output_name(model: Any, softmax: bool) -> str:
    if getattr(model, "feature_extraction", False):
        return "features"
    return "probs" if softmax or _averages(model) == "prob" else "logits"


def built(config: Any) -> nn.Module:
    """The model of a config, which initialises itself: a second time it would wrap its layers once more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("mmaction.models").build_model(config.model, test_cfg=config.get("test_cfg"))


def _kind(model: Any) -> str:
    """What a model is, for messages: the type of its backbone."""
    return type(getattr(model, "backbone", model)).__name__
