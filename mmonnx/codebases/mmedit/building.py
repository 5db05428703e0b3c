"""Models of MMEditing 0.x as tasks."""

import importlib
import inspect
import warnings
from dataclasses import replace
from functools import partial
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Type, Union

import cv2
import numpy as np
import torch
from torch import nn

from ...environment import compat, inference
from ...loading import (
    Codebase,
    Feeds,
    LoadOptions,
    Task,
    another_size,
    build,
    check_device,
    check_size,
    larger_size,
    make_input,
    refusal,
    sample_images,
    second_shape,
    to_numpy,
)
from ...runtime import EditedImage, read_companion
from ...support import InputError
from . import pipelines
from .families import family_of
from .family import Family, Shape
from .module import EditorModule

DEFAULT_SHAPE = (256, 256)
_TRAINING = ("PerceptualLoss", "LightCNNFeatureLoss")
"""Losses that load weights of their own when they are built."""
_JUDGES = ("discriminator", "disc")
"""Parts of models that say how real an image is."""
_COARSE = 32
"""What the sides of another size are multiples of, of a model that takes any."""
_MANY_PIXELS = 256 * 256
"""Of a picture, of which a larger one takes long."""
_OF_FILMS, _COLORS = 5, 3
"""The axes of a film, and its channels."""


def build_task(codebase: Codebase, config: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
    """Build the model of a config and make it a task; see ``Codebase.build``.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the checkpoint, the device, the image or an option is wrong.
        ExportError: the model cannot be built.
    """
    if options.topk is not None or not options.softmax:
        raise InputError("--topk and --no-softmax are for classifiers", f"no such option for {title}", "leave it out")
    if options.skip_postprocess:
        raise InputError(
            f"--skip-postprocess has nothing to skip of {title}", "its image, as the network gives it", "leave it out"
        )
    device = check_device(options.device)
    text = config.model.type
    # asked before it is built: others may want parts that nobody has
    family = checked_family(compat.model_type("mmedit", "MODELS", text), title)
    model = build(config, built, options).to(device)
    if options.model_type is not None and options.model_type != family.name:
        raise InputError(f"{title} is not of type {options.model_type!r}", family.name, "give that, or leave it out")
    if options.trimap is not None and family.name != "mattor":
        raise InputError("--trimap-path is for mattors", f"no such option for {title}", "leave it out")
    transforms = pipelines.test_pipeline(config)
    family = family.of(transforms)
    norm = pipelines.norm_of(family.steps(model, transforms))
    task = _make_task(model, family, f"{title} ({text})", norm, options)
    assert task.preprocess is not None  # ``make_task`` gives one
    feeds = task.preprocess((sample_images(options, task.channels) * 2)[:2], task.shape)
    about, notes = codebase.give_weights(model, checkpoint, options, partial(task.predict, feeds), config.model)
    codebase.describe(task, config, about)
    task.notes += notes
    return task


def make_task(model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions) -> Task:
    """Make a built model, in eval mode and on the device of ``options``, a task; see ``Codebase.task_of``.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the size is not one of the model's, or it is of no family that is known.
    """
    family = checked_family(model, title)
    return _make_task(model, family, title, norm and pipelines.whole(norm, family.rgb), options)


def _make_task(
    model: nn.Module, family: Family, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions
) -> Task:
    norm = dict(family.norm) if norm is None else norm
    divisor, samples = family.divisor(model), sample_images(options)
    frames = family.frames(model)
    if options.sample_shape is not None:
        frames, options = _of_film(family, options, title)
    # as mmedit's own tool has it, the picture's size is the sample's
    own = [-(-side // divisor) * divisor for side in samples[0].shape[:2]] if options.image else family.shape(model)
    shape = options.shape or (own[0], own[1])
    given = {} if options.trimap is None else {"trimap": read_companion(options.trimap, "trimap")}
    pictures = [samples[number % len(samples)] for number in range(options.batch)]
    prepare = partial(_feeds, model, family, norm=norm, device=torch.device(options.device), given=given, frames=frames)

    def run(size: Shape) -> Any:
        return _predict(model, family, prepare(samples[:1], size))

    check_size(title, shape, run, replace(options, dynamic=False))
    other = another_size(title, shape, run, divisor if divisor > 1 else _COARSE) if options.dynamic else None
    odd = second_shape(shape, divisor)
    inputs = prepare(pictures, shape)
    beside = [name for name in inputs if name != "input"]
    task = Task(
        codebase="mmedit",
        title=title,
        module=EditorModule(model, family, beside).eval(),
        inputs=inputs,
        output_names=list(family.outputs),
        dynamic_axes={},
        predict=lambda feeds: _images(family, _predict(model, family, feeds)),
        read=lambda found: _images(family, found[family.outputs[0]]),
        preprocess=prepare,
        divisor=divisor,
        other_shape=other and (other if refusal(partial(run, odd)) else odd),
        larger_shape=larger_size(shape, run, options) if frames * shape[0] * shape[1] <= _MANY_PIXELS else None,
        image_values={"low": family.low, "high": family.high, "rgb": family.rgb},
    )
    _name_axes(task, family, options)
    if family.of_films:
        task.notes.append(f"a film has {frames} frames: --shape {options.batch} FRAMES 3 HEIGHT WIDTH for others")
    return task


def _of_film(family: Family, options: LoadOptions, title: str) -> Tuple[int, LoadOptions]:
    """The frames that a sample of all axes has, and what it says of the others.

    Raises:
        InputError: the model takes no such sample.
    """
    given: Tuple[int, ...] = options.sample_shape or ()
    if not family.of_films or len(given) != _OF_FILMS or given[2] != _COLORS:
        raise InputError(
            f"--shape {' '.join(map(str, given))} is no input of {title}",
            "batch, frames, 3, height and width" if family.of_films else "height and width",
            "give these",
        )
    return given[1], replace(options, batch=given[0], shape=(given[3], given[4]))


def describe(task: Task, config: Any) -> None:
    """Let a task know how its config's test pipeline prepares pictures, and what is beside them."""
    module: Any = task.module
    transforms = pipelines.test_pipeline(config)
    task.pipeline = module.family.steps(module.model, transforms)
    task.companions = module.family.companions(module.model, transforms, task.pipeline or [])


def checked_family(model: Union[nn.Module, Type[Any]], title: str) -> Family:
    """The family of a model, or of a class of them.

    Raises:
        InputError: it is of none that is known.
    """
    kind, family = model if isinstance(model, type) else type(model), family_of(model)
    if family is None:
        raise InputError(
            f"{title} is a {kind.__name__}, which is exported as a plain module alone",
            "a BasicRestorer, an inpaintor, a mattor or a synthesizer of mmedit",
            "give its generator to mmonnx.export",
        )
    return family


def built(config: Any) -> nn.Module:
    """The model of a config, without what is for trainings alone; its weights are upstream's first ones."""
    builder = importlib.import_module("mmedit.models.builder")
    settings = config.model
    taken = inspect.signature(builder.MODELS.get(settings.type).__init__).parameters
    for name in [*settings]:
        optional = name in taken and taken[name].default is not inspect.Parameter.empty
        part = settings[name]
        if optional and (name in _JUDGES or (isinstance(part, dict) and part.get("type") in _TRAINING)):
            settings.pop(name)  # of trainings alone, and needs weights that nobody has
    for name, part in (settings.get("generator") or {}).items():  # parts of networks of films
        if name.endswith("_pretrained"):
            settings.generator[name] = None
        elif isinstance(part, dict) and part.get("pretrained"):
            part["pretrained"] = None
    if "extractor" in settings:  # the checkpoint has the weights that it would download
        settings.extractor.setdefault("load_pretrained_vgg", False)
    test_cfg = {**(config.get("test_cfg") or {}), "metrics": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return builder.build_model(settings, test_cfg=type(settings)(test_cfg))


def _feeds(
    model: Any,
    family: Family,
    images: Sequence[np.ndarray],
    shape: Shape,
    norm: Any,
    device: torch.device,
    given: Mapping[str, np.ndarray],
    frames: int,
) -> Feeds:
    """The inputs of pictures, or of films of some frames; what is ``given`` goes with the first one."""
    beside = {name: value.to(device) for name, value in family.beside(model, images, shape).items()}
    for name, picture in given.items():
        sized = cv2.resize(picture, shape[::-1], interpolation=cv2.INTER_NEAREST)
        beside[name][0, 0] = torch.from_numpy(sized.astype(np.float32))
    image = make_input(images, shape, norm).to(device)
    if family.of_films:
        # each picture moves by a few pixels from frame to frame
        image = torch.stack([image.roll((number, 2 * number), (2, 3)) for number in range(frames)], 1)
    return {"input": family.shown(image, beside), **beside}


def _predict(model: nn.Module, family: Family, feeds: Feeds) -> np.ndarray:
    """What upstream's own inference gives of a batch, (N, C, H, W)."""
    with inference(model):
        found = family.predict(model, feeds["input"], **{name: feeds[name] for name in feeds if name != "input"})
    return to_numpy({"image": found})["image"]


def _images(family: Family, values: np.ndarray) -> List[EditedImage]:
    return [family.edited(one) for one in values]


def _name_axes(task: Task, family: Family, options: LoadOptions) -> None:
    """Name the axes that are to be dynamic."""
    first = {0: "batch"} if options.dynamic or options.dynamic_batch else {}
    alike = [name for name, value in task.inputs.items() if value.shape[-2:] == task.shape]
    alike += task.output_names if family.keeps_size else []
    module: Any = task.module
    rows = {name: value.dim() - 2 for name, value in task.inputs.items()}
    rows.update(dict.fromkeys(task.output_names, 3 if family.makes_films(module.model) else 2))
    for name in [*task.inputs, *task.output_names] if first else ():
        start = "" if name in alike else f"{name}_"
        size = {rows[name]: f"{start}height", rows[name] + 1: f"{start}width"} if options.dynamic else {}
        task.dynamic_axes[name] = {**first, **size}
    if options.dynamic_batch and not options.dynamic:
        height, width = task.shape
        task.notes.append(f"--dynamic-batch: height and width are {height}x{width}")
