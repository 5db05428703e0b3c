"""Plain PyTorch: a model that a callable makes, or a module that is there already. Nothing of OpenMMLab is needed."""

import inspect
import sys
import warnings
from functools import partial
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from torch import nn

from ..errors import InputError
from ..rewrites import current
from .base import Detections, Feeds, RawOutputs, Task
from .callables import build_callable
from .images import make_input, sample_images
from .model import check_device, load_or_calibrate
from .options import LoadOptions
from .random_weights import seeded
from .sizes import check_size
from .structure import named_tensors, refilled
from .variations import Axes, output_axes, variations

DEFAULT_SHAPE = (224, 224)
_IMAGENET = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
_GREY = dict(mean=[127.5], std=[127.5])
_UNIT = dict(mean=[0.0] * 3, std=[255.0] * 3, to_rgb=True)
_BOXES = ("boxes", "scores", "labels")
AxesAsked = Mapping[str, Union[Mapping[int, str], Sequence[int]]]


def load(name: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
    """Make the model of images that a name means, and make it a task.

    Args:
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
    prepare = partial(_feeds, norm=_norm(name, model), device=device)
    shape, samples = options.shape or DEFAULT_SHAPE, sample_images(options)
    title = f"{name.partition(':')[2]} ({type(model).__name__})"
    other = check_size(title, shape, lambda size: _run(model, prepare(samples[:1], size)), options)
    pair = prepare((samples * 2)[:2], shape)
    meta, warning = load_or_calibrate(model, checkpoint, options, lambda: _run(model, pair))
    feeds = prepare([samples[number % len(samples)] for number in range(options.batch)], shape)
    results = _run(model, feeds)
    make = _detector_task if _is_detections(results) else _image_task
    task = make(model, title, feeds, prepare, other, options)
    task.classes = meta.get("CLASSES") or ()
    task.notes += [warning] if warning else []
    return task


def module_task(
    model: nn.Module,
    args: Any,
    input_names: Optional[Sequence[str]] = None,
    output_names: Optional[Sequence[str]] = None,
    dynamic_axes: Optional[AxesAsked] = None,
) -> Task:
    """Make a module in eval mode a task, on inputs of any kind.

    Args:
        model: the module.
        args: its inputs: a tensor, a tuple of positional arguments, or a dict of keyword arguments; tensors may lie in
            tuples, lists and dicts, and what is no tensor stays constant.
        input_names, output_names: names of the tensors, in order; None for names by what they are.
        dynamic_axes: as torch's, of inputs; those of outputs are found where they are not given.

    Raises:
        InputError: the names or axes do not fit, or the model takes no other size of an axis.
    """
    positional, keywords = ((), dict(args)) if isinstance(args, Mapping) else (args, {})
    positional = positional if isinstance(positional, tuple) else (positional,)
    feeds = _named("input", {**_argument_names(model, positional), **keywords}, input_names)
    title = type(model).__name__
    module = PlainModule(model, positional, keywords).eval()
    run = partial(_outputs, module, output_names)
    asked = _axes(dynamic_axes)
    axes = {name: named for name, named in asked.items() if name in feeds}
    names = list(run(feeds))
    unknown = [name for name in asked if name not in feeds and name not in names]
    if unknown:
        raise InputError(f"dynamic_axes names {unknown[0]!r}", ", ".join([*feeds, *names]), "mend dynamic_axes")
    samples = variations(title, feeds, axes, run)
    found = output_axes(run, feeds, axes, list(samples.values())[2:])
    return Task(
        codebase="torch",
        title=title,
        module=module,
        inputs=feeds,
        output_names=names,
        dynamic_axes={**axes, **found, **{name: named for name, named in asked.items() if name in names}},
        predict=lambda feeds: [_raw(run(feeds))],
        read=lambda outputs: [RawOutputs({name: outputs[name] for name in names})],
        preprocess=None,
        samples=samples,
        weights="the module's own weights",
    )


class PlainModule(nn.Module):
    """What is traced: the tensors of the model's inputs in order -> those of its outputs."""

    def __init__(self, model: nn.Module, positional: Tuple[Any, ...] = (None,), keywords: Any = None) -> None:
        super().__init__()
        self.model = model
        self._arguments = (positional, keywords or {})

    def forward(self, *tensors: torch.Tensor) -> Tuple[torch.Tensor, ...]:
        """Run the model on its arguments with these tensors in the places of the sample ones."""
        context = current()
        if context is not None:
            context.upstream_path = True
        return tuple(self.named(tensors).values())

    def named(self, tensors: Sequence[torch.Tensor]) -> Dict[str, torch.Tensor]:
        """The outputs by what they are."""
        positional, keywords = refilled(self._arguments, iter(tensors))
        return named_tensors(self.model(*positional, **keywords), "output")


def _image_task(
    model: nn.Module, title: str, feeds: Feeds, prepare: Callable[..., Feeds], other: Any, options: LoadOptions
) -> Task:
    module = PlainModule(model, (feeds["input"],)).eval()
    run = partial(_outputs, module, options.output_names)
    names = list(run(feeds))
    axes: Axes = {}
    if options.dynamic or options.dynamic_batch:
        axes["input"] = {0: "batch", 2: "height", 3: "width"} if options.dynamic else {0: "batch"}
        height, width = other if options.dynamic else feeds["input"].shape[2:]
        image = feeds["input"][:1]
        bigger = nn.functional.interpolate(image, size=(int(height), int(width))).repeat(options.batch + 1, 1, 1, 1)
        axes.update(output_axes(run, feeds, axes, [{"input": bigger}]))
    return Task(
        codebase="torch",
        title=title,
        module=module,
        inputs=feeds,
        output_names=names,
        dynamic_axes=axes,
        predict=lambda feeds: [_raw(run(feeds))],
        read=lambda outputs: [RawOutputs({name: outputs[name] for name in names})],
        preprocess=prepare,
        other_shape=other,
    )


def _detector_task(
    model: nn.Module, title: str, feeds: Feeds, prepare: Callable[..., Feeds], other: Any, options: LoadOptions
) -> Task:
    """The task of a detector such as torchvision's, which takes a list of images and gives a dict for each."""
    if options.batch != 1 or options.output_names:
        raise InputError(
            f"{title} takes a list of images, and gives boxes, scores and labels",
            "a batch of 1 and no --output-names",
            "leave --batch and --output-names out",
        )
    _compile_scripts(type(model).__module__.rpartition(".")[0])
    module = PlainModule(model, (feeds["input"],)).eval()
    names = list(_outputs(module, None, feeds))
    axes: Axes = {}
    notes = []
    if options.dynamic:
        axes = {"input": {2: "height", 3: "width"}, **{name: {0: "num_dets"} for name in names}}
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
        predict=lambda feeds: [_detections(_numpy(image)) for image in _run(model, feeds)],
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


def _is_detections(results: Any) -> bool:
    return isinstance(results, (list, tuple)) and all(
        isinstance(one, Mapping) and all(name in one for name in _BOXES) for one in results
    )


def _detections(outputs: Mapping[str, np.ndarray]) -> Detections:
    """One image's boxes with scores, labels and masks; what else there is of each, by name."""
    masks = outputs.get("masks")
    dets = np.concatenate([outputs["boxes"], outputs["scores"][:, None]], 1)
    more = {name: value for name, value in outputs.items() if name not in (*_BOXES, "masks")}
    return Detections(dets, outputs["labels"], None if masks is None else masks[:, 0], more=more)


def _run(model: nn.Module, feeds: Feeds) -> Any:
    with torch.no_grad():
        return model(*feeds.values())


def _outputs(module: PlainModule, names: Optional[Sequence[str]], feeds: Feeds) -> Dict[str, torch.Tensor]:
    with torch.no_grad():
        found = module.named(tuple(feeds.values()))
    if not found:
        raise InputError("the model gives no tensor", "a tensor, or a tuple, list or dict of some", "wrap the model")
    if names is None:
        # no tensor of a graph can have two names
        return {f"{name}_output" if name in feeds else name: value for name, value in found.items()}
    return _renamed("output", found, names)


def _named(what: str, value: Any, names: Optional[Sequence[str]]) -> Dict[str, torch.Tensor]:
    found = named_tensors(value, what)
    if not found:
        raise InputError(f"the model has no tensor as {what}", "one or more tensors", "give tensors as args")
    if names is None:
        return {what: next(iter(found.values()))} if len(found) == 1 and what == "input" else found
    return _renamed(what, found, names)


def _renamed(what: str, found: Dict[str, torch.Tensor], names: Sequence[str]) -> Dict[str, torch.Tensor]:
    if len(names) != len(found) or len(set(names)) != len(found):
        raise InputError(
            f"{len(names)} names ({', '.join(names)}) for {len(found)} {what}s",
            f"a name of its own for each of {', '.join(found)}",
            f"give {len(found)} names",
        )
    return dict(zip(names, found.values()))


def _argument_names(model: nn.Module, positional: Tuple[Any, ...]) -> Dict[str, Any]:
    """Positional arguments by the names that the forward has for them."""
    parameters = [
        one.name
        for one in inspect.signature(model.forward).parameters.values()
        if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
    return {
        parameters[number] if number < len(parameters) else f"input_{number}": value
        for number, value in enumerate(positional)
    }


def _axes(asked: Optional[AxesAsked]) -> Axes:
    """Dynamic axes as a dict of dicts; axes without a name get one."""
    return {
        name: dict(named) if isinstance(named, Mapping) else {axis: f"{name}_dim_{axis}" for axis in named}
        for name, named in (asked or {}).items()
    }


def _norm(name: str, model: nn.Module) -> Dict[str, Any]:
    """How images are normalised for a model: as ImageNet's, or not at all if it does so itself."""
    if hasattr(getattr(model, "transform", None), "image_mean"):
        return _UNIT
    first = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    channels = 3 if first is None else first.in_channels
    if channels not in (1, 3):
        raise InputError(f"{name} takes {channels} channels", "images of 1 or 3", "use mmonnx.export in Python")
    return _GREY if channels == 1 else _IMAGENET


def _feeds(images: Any, shape: Tuple[int, int], norm: Any, device: torch.device) -> Feeds:
    return {"input": make_input(images, shape, norm).to(device)}


def _raw(outputs: Mapping[str, torch.Tensor]) -> RawOutputs:
    return RawOutputs(_numpy(outputs))


def _numpy(outputs: Mapping[str, torch.Tensor]) -> Dict[str, np.ndarray]:
    return {name: value.cpu().numpy() for name, value in outputs.items()}
