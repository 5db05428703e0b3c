"""A model of images that a callable makes, as a task."""

from functools import partial
from typing import Any, Callable, Dict, Optional, Tuple

import torch
from torch import nn

from ...loading import (
    Codebase,
    Feeds,
    LoadOptions,
    Task,
    as_it_was,
    channel_notes,
    check_device,
    check_size,
    input_channels,
    larger_size,
    make_input,
    sample_images,
    seeded,
    to_numpy,
)
from ...runtime import RawOutputs
from ...support import InputError
from .callables import build_callable
from .distributions import KINDS
from .image_lists import detector_task, gives_detections
from .modules import PlainModule, outputs_of, run_model
from .trials import Trial
from .variations import Axes, output_axes, varied

DEFAULT_SHAPE = (224, 224)
_IMAGENET = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
_ANY = dict(mean=[127.5], std=[127.5])
_UNIT = dict(mean=[0.0], std=[255.0], to_rgb=True)


def build_task(codebase: Codebase, name: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
    """Make the model of images that a name means, and make it a task.

    Args:
        codebase: whose the model is.
        name: ``package.module:callable``.
        checkpoint: path of the weights, None for seeded random ones.
        options: how.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: something that the user gave is wrong.
        ExportError: the model cannot be built.
    """
    if options.topk is not None or not options.softmax or options.skip_postprocess or options.cfg_options:
        raise InputError(
            "--topk, --no-softmax, --skip-postprocess and --cfg-options are for configs",
            "none of them for a plain model",
            "leave them out",
        )
    device = check_device(options.device)
    with seeded(options.seed):
        model = build_callable(name, options.model_kwargs).eval().to(device)
    shape = options.shape or DEFAULT_SHAPE
    own = getattr(getattr(model, "transform", None), "image_mean", None)  # it normalises by itself
    channels = len(own) if own else input_channels(model, lambda image: run_model(model, {"input": image}), None, shape)
    prepare = partial(_feeds, norm=_UNIT if own else _norm(channels), channels=channels, device=device)
    samples = sample_images(options, channels)
    title = f"{name.partition(':')[2]} ({type(model).__name__})"
    with as_it_was(model):
        other = check_size(title, shape, lambda size: run_model(model, prepare(samples[:1], size)), options)
    pair = prepare((samples * 2)[:2], shape)
    meta, notes = codebase.give_weights(model, checkpoint, options, lambda: run_model(model, pair))
    feeds = prepare([samples[number % len(samples)] for number in range(options.batch)], shape)
    with as_it_was(model):
        results = run_model(model, feeds)
    make = detector_task if gives_detections(results) else _image_task
    task = make(model, title, feeds, prepare, other, options)
    task.classes = meta.get("CLASSES") or ()
    task.notes += [*channel_notes(samples, channels), *notes]
    return task


def _image_task(
    model: nn.Module, title: str, feeds: Feeds, prepare: Callable[..., Feeds], other: Any, options: LoadOptions
) -> Task:
    module = PlainModule(model, (feeds["input"],)).eval()
    run = partial(outputs_of, module, options.output_names)
    names, (height, width) = list(run(feeds)), map(int, feeds["input"].shape[2:])
    shape = (height, width)

    def image(size: Tuple[int, int]) -> torch.Tensor:
        return nn.functional.interpolate(feeds["input"][:1], size=size)

    axes: Axes = {}
    if options.dynamic or options.dynamic_batch:
        axes["input"] = {0: "batch", 2: "height", 3: "width"} if options.dynamic else {0: "batch"}
        more = image(other if options.dynamic else shape).repeat(options.batch + 1, 1, 1, 1)
        axes.update(output_axes(run, feeds, axes, [{"input": more}]))
    # photographs are other values already
    samples = varied(Trial(feeds, run, module), {}, {}, KINDS[1:])
    return Task(
        codebase="torch",
        title=title,
        module=module,
        inputs=feeds,
        output_names=names,
        dynamic_axes=axes,
        predict=lambda feeds: [RawOutputs(to_numpy(run(feeds)))],
        read=lambda outputs: [RawOutputs({name: outputs[name] for name in names})],
        preprocess=prepare,
        samples=samples,
        faults=module.keeps(feeds, next(iter(samples.values()), feeds)),
        other_shape=other,
        larger_shape=larger_size(shape, lambda size: run({"input": image(size)}), options),
    )


def _norm(channels: int) -> Dict[str, Any]:
    """How images are normalised for a model that does not do so itself: those of three channels as ImageNet's."""
    return _IMAGENET if channels == 3 else _ANY


def _feeds(images: Any, shape: Tuple[int, int], norm: Any, channels: int, device: torch.device) -> Feeds:
    return {"input": make_input(images, shape, norm, channels).to(device)}
