"""Detectors such as torchvision's, which take a list of images and give a dict for each."""

import inspect
import sys
import warnings
from typing import Any, Callable, Mapping

import numpy as np
import torch
from torch import nn

from ...loading import Feeds, LoadOptions, Task, to_numpy
from ...runtime import Detections
from ...support import InputError
from .modules import PlainModule, outputs_of, run_model
from .variations import Axes

_BOXES = ("boxes", "scores", "labels")


def gives_detections(results: Any) -> bool:
    """Whether what a model gives are detections: a dict with boxes, scores and labels for each image."""
    return isinstance(results, (list, tuple)) and all(
        isinstance(one, Mapping) and all(name in one for name in _BOXES) for one in results
    )


def detector_task(
    model: nn.Module, title: str, feeds: Feeds, prepare: Callable[..., Feeds], other: Any, options: LoadOptions
) -> Task:
    """Make such a detector a task.

    Args:
        model: the detector, in eval mode.
        title: what it is.
        feeds: its sample input.
        prepare: the task's ``preprocess``.
        other: another (height, width) that it takes, None where that is of no account.
        options: what the task is to be.

    Raises:
        InputError: a batch or names of outputs are asked for.
    """
    if options.batch != 1 or options.output_names:
        raise InputError(
            f"{title} takes a list of images, and gives boxes, scores and labels",
            "a batch of 1 and no --output-names",
            "leave --batch and --output-names out",
        )
    _compile_scripts(type(model).__module__.rpartition(".")[0])
    module = PlainModule(model, (feeds["input"],)).eval()
    names = list(outputs_of(module, None, feeds))
    axes: Axes = {}
    notes = []
    found: Axes = {name: {0: "num_dets"} for name in names}
    if options.dynamic:
        axes = {"input": {2: "height", 3: "width"}, **{name: dict(named) for name, named in found.items()}}
        if "masks" in axes:
            axes["masks"].update({2: "height", 3: "width"})
    if options.dynamic or options.dynamic_batch:
        notes.append("the batch is 1: the model takes a list of images")
    head = getattr(model, "roi_heads", model)
    return Task(
        codebase="torch",
        title=title,
        module=module,
        inputs=feeds,
        output_names=names,
        dynamic_axes=axes,
        output_shapes=found,
        predict=lambda feeds: [_detections(to_numpy(image)) for image in run_model(model, feeds)],
        read=lambda outputs: [_detections(outputs)],
        preprocess=prepare,
        score_thr=float(getattr(head, "score_thresh", 0.0)),
        max_per_img=getattr(head, "detections_per_img", None),
        other_shape=other,
        notes=notes,
    )


def _compile_scripts(package: str) -> None:
    """Compile what a package's functions compile while they are traced: then, torch's functions have stand-ins."""
    for name, module in list(sys.modules.items()):
        for function in list(vars(module).values()) if name.startswith(f"{package}.") else ():
            original = vars(function).get("__original_fn") if inspect.isfunction(function) else None
            if original is not None:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # new torch would rather have something else compiled
                    torch.jit.script(original)


def _detections(outputs: Mapping[str, np.ndarray]) -> Detections:
    """One image's boxes with scores, labels and masks; what else there is of each, by name."""
    masks = outputs.get("masks")
    dets = np.concatenate([outputs["boxes"], outputs["scores"][:, None]], 1)
    more = {name: value for name, value in outputs.items() if name not in (*_BOXES, "masks")}
    return Detections(dets, outputs["labels"], None if masks is None else masks[:, 0], more=more)
