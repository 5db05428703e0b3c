"""Pose estimators of MMPose 0.x that get crops, as tasks."""

import importlib
import warnings
from dataclasses import replace
from functools import partial
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import cv2
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
    give_raw,
    input_channels,
    larger_size,
    make_input,
    raw_names,
    sample_images,
    test_pipeline,
)
from ...runtime import Poses
from ...support import InputError
from .keypoints import describe, image_size, norm_of
from .module import PoseModule, is_udp, metas, one_pass

Shape = Tuple[int, int]
DEFAULT_SHAPE = (256, 192)
"""(height, width) where the config says nothing of a size, as upstream's own tool has it."""
_NO_CROPS = {
    "PoseLifter": "it lifts key points to three dimensions",
    "ParametricMesh": "it gives a mesh",
    "Interhand3D": "its key points have three dimensions",
    "DetectAndRegress": "it takes several views, and gives three dimensions",
    "VoxelSinglePose": "it takes voxels of several views",
    "VoxelCenterDetector": "it takes voxels of several views",
    "GestureRecognizer": "it says what gesture a film shows",
    "PoseWarper": "it takes several frames of a film",
    "MultiTask": "its heads are of several tasks",
}
"""What other models of mmpose's do, by their classes' names."""


def build_task(codebase: Codebase, config: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
    """Build the pose estimator of a config and make it a task; see ``Codebase.build``.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the checkpoint, the device, the image or an option is wrong, or it is no model of crops.
        ExportError: the model cannot be built.
    """
    if options.topk is not None or not options.softmax:
        fix = "leave it out; --skip-postprocess gives heat maps"
        raise InputError("--topk and --no-softmax are for classifiers", f"no such option for {title}", fix)
    check_kind(title, str(config.model.type))
    device = check_device(options.device)
    norm, size = norm_of(test_pipeline(config)), image_size(config)
    options = replace(options, shape=options.shape or (size[::-1] if size else DEFAULT_SHAPE))
    model = build(config, _built, options).to(device)
    task = make_task(model, f"{title} ({_kind(model)})", norm, options)
    assert task.preprocess is not None  # ``make_task`` gives one
    pictures = (sample_images(options, task.channels) * 2)[:2]
    run = partial(task.predict, task.preprocess(pictures, task.shape))
    _, notes = codebase.give_weights(model, checkpoint, options, run, config.model)
    describe(task, config)
    task.notes += notes
    return task


def make_task(model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions) -> Task:
    """Make a built pose estimator, in eval mode and on the device of ``options``, a task; see ``Codebase.task_of``.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the size is not one of the model's, or it is no model of crops.
    """
    if not is_top_down(model):
        check_kind(title, type(model).__name__)
        raise _no_crops(title, f"a {type(model).__name__}")
    shape = options.shape or DEFAULT_SHAPE
    channels = input_channels(model, _network(model), norm, shape)
    samples = sample_images(options, channels)
    pictures = [samples[number % len(samples)] for number in range(options.batch)]
    prepare = partial(_feeds, norm=norm, channels=channels, device=torch.device(options.device))

    def run(size: Shape) -> Any:
        return _predict(model, prepare(samples[:1], size))

    task = Task(
        codebase="mmpose",
        title=title,
        module=PoseModule(model).eval(),
        inputs=prepare(pictures, shape),
        output_names=["keypoints"],
        dynamic_axes={},
        predict=partial(_predict, model),
        read=_read,
        preprocess=prepare,
        other_shape=check_size(title, shape, run, options),
        larger_shape=larger_size(shape, run, options),
        notes=channel_notes(samples, channels),
    )
    if options.skip_postprocess:
        module = RawModule(model, _network(model)).eval()
        give_raw(task, module, raw_names(module, task.inputs["input"]))
    _name_axes(task, options)
    return task


def is_top_down(model: Any) -> bool:
    """Whether a model gets a crop and gives the key points of what it shows."""
    top_down = importlib.import_module("mmpose.models").TopDown
    return isinstance(model, top_down) and hasattr(model, "keypoint_head")


def check_kind(title: str, kind: str) -> None:
    """Refuse a model of mmpose's that finds no key points in pictures, by its class's name.

    Raises:
        InputError: it is one.
    """
    if kind in _NO_CROPS:
        raise _no_crops(title, f"a {kind}: {_NO_CROPS[kind]}")


def _no_crops(title: str, what: str) -> InputError:
    return InputError(
        f"{title} is {what}",
        "a model that finds key points in a picture: TopDown of mmpose, or one that inherits from it",
        "export its network: give it to mmonnx.export as a plain module",
    )


def _built(config: Any) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what upstream says of keys that are called otherwise now
        return importlib.import_module("mmpose.models").build_posenet(config.model)


def _kind(model: Any) -> str:
    """What a model is, for messages: the types of its backbone and of its head."""
    return f"{type(model.backbone).__name__}, {type(model.keypoint_head).__name__}"


def _network(model: Any) -> Callable[[torch.Tensor], Any]:
    """What makes of crops what key points are decoded of, the last stage's."""

    def run(image: torch.Tensor) -> Any:
        output = model.forward_dummy(image)
        return output[-1] if isinstance(output, (list, tuple)) else output

    return run


def _feeds(images: Sequence[np.ndarray], shape: Shape, norm: Any, channels: int, device: torch.device) -> Feeds:
    return {"input": make_input(images, shape, norm, channels).to(device)}


def _predict(model: Any, feeds: Feeds) -> List[Poses]:
    """The pose estimator's own inference."""
    image = feeds["input"]
    with inference(model), one_pass(model):
        found = model(img=image, img_metas=metas(model, image), return_loss=False, return_heatmap=True)
    maps = found["output_heatmap"]
    if maps.ndim != 4:  # what a regression gives
        return [Poses(pose[None]) for pose in found["preds"]]
    heats = _chosen_by(model, maps)
    less = 1 if is_udp(model) else 0
    step = [(side - less) / max(places - less, 1) for side, places in zip(image.shape[:1:-1], heats.shape[:1:-1])]
    return [Poses(pose[None], heats=heat[None], step=(step[0], step[1])) for pose, heat in zip(found["preds"], heats)]


def _chosen_by(model: Any, maps: np.ndarray) -> np.ndarray:
    """What upstream has chosen the best places of key points by, of the network's maps (N, K, h, w)."""
    settings = model.keypoint_head.test_cfg
    kernel = settings.get("modulate_kernel", 11)
    if settings.get("use_udp") and str(settings.get("target_type")).lower() == "combinedtarget":
        size = (2 * kernel + 1,) * 2
        return np.array([[cv2.GaussianBlur(one, size, 0) for one in person[::3]] for person in maps])
    if settings.get("post_process") == "megvii":
        evaluation = importlib.import_module("mmpose.core.evaluation.top_down_eval")
        return evaluation._gaussian_blur(maps.copy(), kernel)
    return maps


def _read(outputs: Dict[str, np.ndarray]) -> List[Poses]:
    return [Poses(pose[None]) for pose in outputs["keypoints"]]


def _name_axes(task: Task, options: LoadOptions) -> None:
    """Name the axes that are to be dynamic."""
    if not (options.dynamic or options.dynamic_batch):
        return
    task.dynamic_axes = {name: {0: "batch"} for name in ["input", *task.output_names]}
    if options.dynamic:
        task.dynamic_axes["input"].update({2: "height", 3: "width"})
        if options.skip_postprocess:
            for name in task.output_names:
                task.dynamic_axes[name].update({2: "map_height", 3: "map_width"})
    else:
        height, width = task.shape
        task.notes.append(f"--dynamic-batch: height and width are {height}x{width}")
