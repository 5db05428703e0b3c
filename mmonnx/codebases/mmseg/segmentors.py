"""Segmentors of MMSegmentation 0.x as tasks."""

import importlib
import operator
import warnings
from dataclasses import replace
from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from torch import nn

from ...environment import inference
from ...loading import (
    Codebase,
    Feeds,
    LoadOptions,
    RawModule,
    Task,
    build,
    channel_notes,
    check_device,
    check_size,
    describe,
    find_transform,
    give_raw,
    input_channels,
    larger_size,
    longer,
    make_input,
    raw_names,
    refusal,
    sample_images,
    second_shape,
    test_pipeline,
)
from ...runtime import DEFAULTS, ORIGINAL_SIZE, LabelMap
from ...support import InputError
from .module import FirstAxis, SegmentorModule, is_binary, meta, threshold_of

Shape = Tuple[int, int]
DEFAULT_SHAPE = (512, 1024)
"""(height, width) where the config's test pipeline says nothing of a size."""
_CALIBRATION_SHAPE = (256, 384)
_BARELY = 1.0
"""How many times as high and as wide as its window a picture is that takes four, but for what is rounded up."""
_FEW_PIXELS = 512 * 512
"""Of a picture, of which a larger one takes little time as well; dilated maps take much."""
_RESCALED = (1.3, 0.7)
"""How many times as high and as wide as the input the answer of one of the verification's cases is."""


def build_task(codebase: Codebase, config: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
    """Build the segmentor of a config and make it a task; see ``Codebase.build``.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the checkpoint, the device, the image or an option is wrong.
        ExportError: the model cannot be built.
    """
    if options.topk is not None or not options.softmax:
        fix = "leave it out; --seg-logits gives the probabilities of the classes as well"
        raise InputError("--topk and --no-softmax are for classifiers", f"no such option for {title}", fix)
    if options.skip_postprocess and (options.seg_logits or options.rescale_shape):
        fix = "leave one of them out"
        raise InputError("--seg-logits and --rescale_shape are of the map", "no --skip-postprocess beside them", fix)
    device = check_device(options.device)
    pipeline = test_pipeline(config)
    options = replace(options, shape=options.shape or _own_shape(pipeline))
    norm = find_transform(pipeline, "Normalize")
    model = build(config, _built, options).to(device)
    task = make_task(model, f"{title} ({_kind(model)})", norm, options)
    assert task.preprocess is not None  # ``make_task`` gives one
    pictures = (sample_images(options, task.channels) * 2)[:2]
    run = _runner(task, partial(task.preprocess, pictures))
    about, notes = codebase.give_weights(model, checkpoint, options, run, config.model)
    describe(task, config, about, datasets())
    task.notes += notes
    return task


def make_task(model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions) -> Task:
    """Make a built segmentor, in eval mode and on the device of ``options``, a task; see ``Codebase.task_of``.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the size is not one of the model's, or it is no encoder-decoder.
    """
    if not is_encoder_decoder(model):
        raise InputError(
            f"{title} is a segmentor with an inference of its own, without whole_inference and slide_inference",
            "an EncoderDecoder of mmseg, or a model that inherits from it",
            "export its network: give it to mmonnx.export as a plain module",
        )
    shape = options.shape or DEFAULT_SHAPE
    channels = input_channels(model, model.extract_feat, norm, shape)
    samples = sample_images(options, channels)
    pictures = [samples[number % len(samples)] for number in range(options.batch)]
    asked = options.rescale_shape or DEFAULTS[ORIGINAL_SIZE]
    prepare = partial(_feeds, norm=norm, channels=channels, device=torch.device(options.device), asked=asked)

    def run(size: Shape) -> Any:
        return _predict(model, asked, prepare(samples[:1], size))

    other = check_size(title, shape, run, options)
    odd = second_shape(shape, divisor=1)
    task = Task(
        codebase="mmseg",
        title=title,
        module=SegmentorModule(model, options.seg_logits, asked).eval(),
        inputs=prepare(pictures, shape),
        output_names=["seg_map"] + (["seg_probs"] if options.seg_logits else []),
        dynamic_axes={},
        predict=partial(_predict, model, asked),
        read=partial(_read, threshold_of(model)),
        preprocess=prepare,
        output_shapes=_output_shapes(model),
        optional={ORIGINAL_SIZE: (float(asked[0]), float(asked[1]))},
        # test pipelines keep the aspect of pictures: their sides are multiples of nothing
        divisor=1,
        other_shape=other and (other if refusal(partial(run, odd)) else odd),
        larger_shape=_several_windows(model, shape, options) or _larger(shape, run, options),
        notes=channel_notes(samples, channels),
    )
    if options.skip_postprocess:
        _make_raw(task, model)
    else:
        rescaled = prepare(pictures, shape)
        size = [round(share * side) for share, side in zip(_RESCALED, shape)]
        rescaled[ORIGINAL_SIZE] = torch.tensor(size, dtype=torch.float32, device=rescaled[ORIGINAL_SIZE].device)
        task.samples[f"rescaled to {size[0]}x{size[1]}"] = rescaled
    _name_axes(task, options)
    return task


def as_upstream(task: Task) -> Task:
    """See ``Codebase.as_upstream``: (1, N, ...) in the place of (N, ...)."""

    def read(outputs: Dict[str, np.ndarray]) -> Sequence[Any]:
        return task.read({name: value[0] for name, value in outputs.items()})

    def moved(axes: Mapping[int, Any]) -> Dict[int, Any]:
        return {axis + 1: named for axis, named in axes.items()}

    dynamic = {name: moved(axes) if name in task.output_names else axes for name, axes in task.dynamic_axes.items()}
    shapes = {name: moved(axes) for name, axes in task.output_shapes.items()}
    return replace(task, module=FirstAxis(task.module).eval(), read=read, dynamic_axes=dynamic, output_shapes=shapes)


def is_encoder_decoder(model: nn.Module) -> bool:
    """Whether a segmentor has the two ways of inference that its answers come from."""
    return all(hasattr(model, name) for name in ("whole_inference", "slide_inference", "encode_decode"))


def datasets() -> Any:
    """mmseg's registry of datasets, whose classes carry names and colours."""
    return importlib.import_module("mmseg.datasets").DATASETS


def _built(config: Any) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what upstream says of losses, and of keys that are called otherwise now
        return importlib.import_module("mmseg.models").build_segmentor(config.model)


def _kind(model: nn.Module) -> str:
    """What a model is, for messages: the types of its backbone and of its head."""
    head: Any = model.decode_head
    head = head[-1] if isinstance(head, nn.ModuleList) else head
    return f"{type(model.backbone).__name__}, {type(head).__name__}"


def _own_shape(pipeline: Any) -> Shape:
    """(height, width) of the scale that a test pipeline brings pictures to, as upstream's own tool has it."""
    scale = (find_transform(pipeline, "MultiScaleFlipAug") or {}).get("img_scale")
    scale = scale[0] if isinstance(scale, list) else scale
    return (int(scale[1]), int(scale[0])) if scale else DEFAULT_SHAPE


def _runner(task: Task, prepare: Callable[[Shape], Feeds]) -> Callable[[], Any]:
    """What runs the model on a small size, or on that of the export if it takes no smaller one."""
    small = min(task.shape[0], _CALIBRATION_SHAPE[0]), min(task.shape[1], _CALIBRATION_SHAPE[1])
    feeds = prepare(small)
    if refusal(partial(task.predict, feeds)):
        feeds = prepare(task.shape)
    return partial(task.predict, feeds)


def _output_shapes(model: Any) -> Dict[str, Dict[int, Union[int, str]]]:
    """What the outputs' axes are: they have the size that an input's values tell."""
    size = "map_height", "map_width"
    return {"seg_map": dict(enumerate(size, 1)), "seg_probs": {1: int(model.out_channels), **dict(enumerate(size, 2))}}


def _several_windows(model: nn.Module, shape: Shape, options: LoadOptions) -> Optional[Shape]:
    """A (height, width) of four windows to verify a sliding segmentor on whose own ``shape`` is of fewer; else None."""
    settings: Any = model.test_cfg
    if not options.dynamic or settings.mode != "slide" or all(map(operator.gt, shape, settings.crop_size)):
        return None
    height, width = (longer(max(sides), _BARELY) for sides in zip(shape, settings.crop_size))
    return height, width


def _larger(shape: Shape, run: Callable[[Shape], Any], options: LoadOptions) -> Optional[Shape]:
    """A larger (height, width) that the model takes, where the export's own is no large one; see ``larger_size``."""
    return larger_size(shape, run, options) if shape[0] * shape[1] <= _FEW_PIXELS else None


def _feeds(
    images: Sequence[np.ndarray], shape: Shape, norm: Any, channels: int, device: torch.device, asked: Sequence[float]
) -> Feeds:
    size = torch.tensor(asked, dtype=torch.float32, device=device)
    return {"input": make_input(images, shape, norm, channels).to(device), ORIGINAL_SIZE: size}


def _predict(model: nn.Module, asked: Sequence[float], feeds: Feeds) -> List[LabelMap]:
    """The segmentor's own inference, of the size that is asked for where the feeds say none."""
    image = feeds["input"]
    size = [round(float(side)) for side in feeds.get(ORIGINAL_SIZE, asked)]
    metas = meta(image, size if size[0] > 0 else image.shape[2:])
    with inference(model):
        probs = model.inference(image, metas, True)
    threshold = threshold_of(model)
    labels = (probs > threshold).squeeze(1).long() if is_binary(model) else probs.argmax(1)
    return [LabelMap(*pair, threshold) for pair in zip(labels.cpu().numpy(), probs.cpu().numpy())]


def _read(threshold: float, outputs: Dict[str, np.ndarray]) -> List[LabelMap]:
    probs = outputs.get("seg_probs")
    return [
        LabelMap(labels, None if probs is None else probs[number], threshold)
        for number, labels in enumerate(outputs["seg_map"])
    ]


def _make_raw(task: Task, model: nn.Module) -> None:
    """Let the task stop in front of the sliding and the choice of classes: logits at the input's size."""
    module = RawModule(model, lambda image: model.encode_decode(image, meta(image, image.shape[2:]))).eval()
    task.inputs.pop(ORIGINAL_SIZE)
    prepare = task.preprocess
    assert prepare is not None  # ``make_task`` gives one
    give_raw(task, module, raw_names(module, task.inputs["input"]))
    task.optional, task.output_shapes = {}, {}
    task.preprocess = lambda images, shape: {"input": prepare(images, shape)["input"]}


def _name_axes(task: Task, options: LoadOptions) -> None:
    """Name the axes that are to be dynamic."""
    first = {0: "batch"} if options.dynamic or options.dynamic_batch else {}
    size = {2: "height", 3: "width"} if options.dynamic else {}
    if first:
        task.dynamic_axes = {name: dict(first) for name in ["input", *task.output_names]}
        task.dynamic_axes["input"].update(size)
    if options.dynamic_batch and not options.dynamic:
        height, width = task.shape
        task.notes.append(f"--dynamic-batch: height and width are {height}x{width}")
