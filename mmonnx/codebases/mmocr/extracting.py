"""Models of MMOCR 0.x that say what the texts of a picture are, and which belong together, as tasks.

Upstream joins the texts of several pictures in one graph and takes it apart again; a file takes those of one picture.
"""

import importlib
from dataclasses import replace
from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import nn

from ...environment import inference
from ...loading import (
    Feeds,
    LoadOptions,
    Task,
    another_size,
    channel_notes,
    check_size,
    larger_size,
    make_input,
    sample_images,
    to_numpy,
)
from ...rewriting import current
from ...runtime import KeyInformation
from ...support import InputError
from . import samples
from .inputs import Shape
from .pipelines import Transforms

RELATIONS, TEXTS, BOXES = "relations", "texts", "boxes"
OUTPUTS = ("nodes", "edges")
_USUAL = (512, 384)
_COLORS = 3
_COUNT, _LENGTH = 7, 12
"""The texts of a sample, and the characters of the longest one."""
_ALONE = "the file takes one picture at a time, with the texts on it"


class ExtractorModule(nn.Module):
    """What is on one picture -> (n, num_classes) what its texts are, and (n * n, 2) which of them belong together.

    Args:
        model: the model.
        names: of the inputs, in order: ``input`` (1, 3, H, W), ``relations`` (n, n, 5), ``texts`` (n, L) int64 and
            ``boxes`` (n, 4); of a model that looks at no picture the relations and the texts.
    """

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = tuple(names)

    def forward(self, *values: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        """Run the model. It has to be called inside ``rewriting``."""
        feeds = dict(zip(self.names, values))
        context: Optional[Any] = current()
        if context is not None and "input" in feeds:
            context.start(feeds["input"])
        return _run(self.model, feeds)


def is_one(model: Any) -> bool:
    """Whether a model is one of these."""
    return isinstance(model, importlib.import_module("mmocr.models.kie.extractors").SDMGR)


def make_task(
    model: Any, title: str, transforms: Transforms, norm: Optional[Dict[str, Any]], options: LoadOptions
) -> Task:
    """Make a built model a task; see ``Codebase.task_of``.

    Args:
        model: in eval mode and on the device of ``options``.
        title: what it is, for messages.
        transforms: of its test pipeline, may be empty.
        norm: the ``Normalize`` transform, None for none.
        options: what the task is to be.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the size is not one of the model's, or an option is for others.
    """
    _check(title, model, options)
    device = torch.device(options.device)
    make = partial(_made, model, norm, device)
    pictures = sample_images(options, _COLORS)
    shape = (options.shape or _USUAL) if model.visual_modality else samples.PAGE
    inputs = make(pictures[:1], shape)
    task = Task(
        codebase="mmocr",
        title=title,
        module=ExtractorModule(model, list(inputs)).eval(),
        inputs=inputs,
        output_names=list(OUTPUTS),
        dynamic_axes=_axes(inputs, options),
        predict=partial(_predict, model),
        read=lambda outputs: [_read(outputs)],
        preprocess=make if model.visual_modality else None,
        samples=_others(make, pictures, shape, options.dynamic or options.dynamic_batch),
        annotations={"characters": None, "norm": samples.NORM, "links": None},
        notes=[_ALONE],
    )
    if model.visual_modality:
        _give_sizes(task, lambda size: task.predict(make(pictures[:1], size)), shape, options)
        task.notes += channel_notes(pictures, _COLORS)
    return task


def _check(title: str, model: Any, options: LoadOptions) -> None:
    """Refuse what is for models of pictures alone, or of several pictures.

    Raises:
        InputError: an option does not fit.
    """
    if options.batch != 1:
        raise InputError(f"a batch of {options.batch} is no input of {title}: {_ALONE}", "a batch of 1", "give that")
    if options.skip_postprocess:
        raise InputError(
            f"--skip-postprocess has nothing to skip of {title}", "probabilities, as its own test gives", "leave it out"
        )
    if not model.visual_modality and (options.image or options.shape):
        raise InputError(
            f"{title} looks at no picture", "texts, and how their boxes lie", "leave --shape and --input-img out"
        )


def describe(task: Task, config: Any) -> None:
    """Let a task know the characters and the classes that its config names, where the files are there."""
    module: Any = task.module
    test = samples.first_set(config)
    characters = samples.characters_of(test.get("dict_file"))
    links = test.get("link_type", "one-to-one") if module.model.openset else None
    task.annotations = {
        "characters": characters,
        "norm": float(test.get("norm", samples.NORM)),
        "links": None if links is None else {"type": links, "threshold": float(test.get("edge_thr", 0.5))},
    }
    if characters is None:
        told = test.get("dict_file")
        task.notes.append(
            f"the file does not hold its characters, as {told!r} is not here"
            if told
            else "the file does not hold its characters, as the config names no dict_file"
        )
    task.classes = samples.classes_of(module.model.class_list, module.model.bbox_head.node_cls.out_features)


def runs(task: Task) -> Callable[[], Any]:
    """What runs a task's model on its sample and on other texts."""
    rows = [task.inputs, *task.samples.values()]
    return lambda: [task.predict(feeds) for feeds in rows]


def _made(
    model: Any,
    norm: Optional[Dict[str, Any]],
    device: torch.device,
    images: Sequence[np.ndarray],
    shape: Shape,
    count: int = _COUNT,
    length: int = _LENGTH,
    seed: int = 0,
) -> Feeds:
    """The inputs of a picture that is brought to a size, with drawn texts on it."""
    characters = model.bbox_head.node_embed.num_embeddings
    found = {name: torch.from_numpy(one) for name, one in samples.page(shape, count, length, characters, seed).items()}
    if not model.visual_modality:
        return {name: found[name].to(device) for name in (RELATIONS, TEXTS)}
    (image,) = images
    pictures = {"input": make_input([image], shape, norm, _COLORS)}
    return {name: value.to(device) for name, value in {**pictures, **found}.items()}


def _others(
    make: Callable[..., Feeds], pictures: Sequence[np.ndarray], shape: Shape, dynamic: bool
) -> Dict[str, Feeds]:
    """What a model is verified on beside photographs."""
    others = pictures[1:2] or pictures[:1]
    found = {"other texts": make(others, shape, seed=1), "empty texts": make(others, shape, seed=samples.EMPTY)}
    if dynamic:
        found["more texts"] = make(others, shape, 2 * _COUNT + 3, _LENGTH // 2, seed=2)
        found["longer texts"] = make(others, shape, _COUNT - 3, 3 * _LENGTH, seed=3)
        found["one text"] = make(others, shape, 1, _LENGTH + 1, seed=4)
        found["one character"] = make(others, shape, 2, 1, seed=5)
    return found


def _give_sizes(task: Task, run: Callable[[Shape], Any], shape: Shape, options: LoadOptions) -> None:
    """Let a task know which sizes of pictures its model takes."""
    check_size(task.title, shape, run, replace(options, dynamic=False))
    if options.dynamic:
        task.other_shape = another_size(task.title, shape, run)
        task.larger_shape = larger_size(shape, run, options)
    elif options.dynamic_batch:
        task.notes.append(f"--dynamic-batch: height and width are {shape[0]}x{shape[1]}")


def _axes(inputs: Mapping[str, torch.Tensor], options: LoadOptions) -> Dict[str, Dict[int, str]]:
    """The dynamic axes: how many texts there are, and how long they are, says no model."""
    if not (options.dynamic or options.dynamic_batch):
        return {}
    texts = {0: "num_texts"}
    found = {RELATIONS: {**texts, 1: "num_texts"}, TEXTS: {**texts, 1: "num_characters"}, BOXES: texts}
    found.update({"nodes": texts, "edges": {0: "num_pairs"}})
    if options.dynamic:
        found["input"] = {2: "height", 3: "width"}
    return {name: axes for name, axes in found.items() if name in inputs or name in OUTPUTS}


def _run(model: Any, feeds: Mapping[str, torch.Tensor]) -> Tuple[torch.Tensor, torch.Tensor]:
    """What upstream's own test gives of a picture."""
    boxes = [feeds[BOXES]] if BOXES in feeds else None
    (found,) = model.forward_test(feeds.get("input"), None, [feeds[RELATIONS]], [feeds[TEXTS]], boxes)
    return found["nodes"], found["edges"]


def _predict(model: Any, feeds: Feeds) -> List[KeyInformation]:
    with inference(model):
        found = to_numpy(dict(zip(OUTPUTS, _run(model, feeds))))
    return [_read(found)]


def _read(outputs: Mapping[str, np.ndarray]) -> KeyInformation:
    return KeyInformation(outputs["nodes"], outputs["edges"])
