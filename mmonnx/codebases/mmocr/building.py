"""Models of MMOCR 0.x, from their configs or as they are, as tasks."""

import importlib
import warnings
from dataclasses import replace
from functools import partial
from typing import Any, Callable, Dict, List, Optional

from torch import nn

from ...loading import Codebase, LoadOptions, Task, build, check_device, sample_images
from ...support import InputError
from . import detecting, extracting, linking, pipelines, recognizing
from .steps import few_steps

DEFAULT_SHAPE = detecting.DEFAULT_SHAPE
_OTHERS = {
    "NerClassifier": "it takes no picture: it labels the words of sentences",
}
"""What other models of mmocr's do, by their classes' names."""
_TYPES = {"det": (detecting, linking), "recog": (recognizing,), "kie": (extracting,)}
"""What mmocr's own tools call its models; that which exports knows the first two."""


def build_task(codebase: Codebase, config: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
    """Build the model of a config and make it a task; see ``Codebase.build``.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the checkpoint, the device, the image or an option is wrong, or it is no model of text in pictures.
        ExportError: the model cannot be built.
    """
    if options.topk is not None or not options.softmax:
        raise InputError("--topk and --no-softmax are for classifiers", f"no such option for {title}", "leave it out")
    kind = str(config.model.type)
    if kind in _OTHERS:
        raise _refused(title, kind)
    device = check_device(options.device)
    model = build(config, _built, options).to(device)
    if options.model_type is not None:
        _check_type(model, title, options.model_type)
    transforms = pipelines.test_pipeline(config)
    extracts = extracting.is_one(model)
    if options.image is not None and options.shape is None and not extracts:
        options = replace(options, shape=pipelines.size_of(transforms, options.image))
    task = _make_task(model, f"{title} ({kind})", transforms, None, options)
    own = next((one for one in (extracting, linking) if one.is_one(model)), None)
    run = own.runs(task) if own is not None else _runs(task, options)
    with few_steps(model):
        _, notes = codebase.give_weights(model, checkpoint, options, run)
    describe(task, config)
    task.notes += notes
    return task


def _runs(task: Task, options: LoadOptions) -> Callable[[], Any]:
    """What runs a task's model on two pictures."""
    assert task.preprocess is not None  # it reads text in pictures, or finds it there
    pictures = (sample_images(options, task.channels) * 2)[:2]
    return partial(task.predict, task.preprocess(pictures, task.shape))


def make_task(model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions) -> Task:
    """Make a built model, in eval mode and on the device of ``options``, a task; see ``Codebase.task_of``.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the size is not one of the model's, or it is of no family that is known.
    """
    return _make_task(model, title, (), norm, options)


def _make_task(
    model: nn.Module, title: str, transforms: pipelines.Transforms, norm: Optional[Dict[str, Any]], options: LoadOptions
) -> Task:
    family = next((one for one in _families() if one.is_one(model)), None)
    if family is None:
        raise _refused(title, type(model).__name__)
    return family.make_task(model, title, transforms, norm or pipelines.norm_of(transforms), options)


def is_known(model: nn.Module) -> bool:
    """Whether it is of a family that is known."""
    return any(one.is_one(model) for one in _families())


def describe(task: Task, config: Any) -> None:
    """Let a task know how its config's test pipeline prepares pictures."""
    transforms = pipelines.test_pipeline(config)
    task.pipeline = pipelines.steps_of(transforms, task.channels)
    if extracting.is_one(getattr(task.module, "model", None)):
        extracting.describe(task, config)


def _families() -> List[Any]:
    return [one for families in _TYPES.values() for one in families]


def _check_type(model: nn.Module, title: str, given: str) -> None:
    own = next((name for name, family in _TYPES.items() if any(one.is_one(model) for one in family)), "")
    if given != own:
        raise InputError(f"{title} is not of type {given!r}", own, "give that, or leave it out")


def _built(config: Any) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what upstream says of keys that are called otherwise now
        return importlib.import_module("mmocr.models").build_detector(config.model, test_cfg=config.get("test_cfg"))


def _refused(title: str, kind: str) -> InputError:
    return InputError(
        f"{title} is a {kind}" + (f": {_OTHERS[kind]}" if kind in _OTHERS else ""),
        "a text detector of maps or masks, a text recognizer, or an SDMGR of mmocr",
        "export its network: give it to mmonnx.export as a plain module",
    )
