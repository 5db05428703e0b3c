"""Pose estimators of MMPose 0.x, from their configs or as they are, as tasks."""

import importlib
import warnings
from dataclasses import replace
from functools import partial
from typing import Any, Dict, Optional

from torch import nn

from ...loading import Codebase, LoadOptions, Task, build, check_device, sample_images, test_pipeline
from ...support import InputError
from . import bottom_up, dekr, films, one_stage, top_down
from .keypoints import describe, image_size, norm_of

DEFAULT_SHAPE = (256, 192)
"""(height, width) where the config says nothing of a size, as upstream's own tool has it."""
_OTHERS = {
    "PoseLifter": "it lifts key points to three dimensions",
    "ParametricMesh": "it gives a mesh",
    "Interhand3D": "its key points have three dimensions",
    "DetectAndRegress": "it takes several views, and gives three dimensions",
    "VoxelSinglePose": "it takes voxels of several views",
    "VoxelCenterDetector": "it takes voxels of several views",
    "GestureRecognizer": "it says what gesture a film shows",
    films.KIND: "its config does not say in data.test.data_cfg.frame_weight_test what each frame of a film counts",
    dekr.KIND: "it judges people by the links between their key points, of which no dataset_info of its config says; "
    "with --skip-postprocess the file gives its maps of heat and of offsets",
}
"""What other models of mmpose's do, by their classes' names."""


def build_task(codebase: Codebase, config: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
    """Build the pose estimator of a config and make it a task; see ``Codebase.build``.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the checkpoint, the device, the image or an option is wrong, or it is no model of 2D key points.
        ExportError: the model cannot be built.
    """
    if options.topk is not None or not options.softmax:
        fix = "leave it out; --skip-postprocess gives heat maps"
        raise InputError("--topk and --no-softmax are for classifiers", f"no such option for {title}", fix)
    kind = str(config.model.type)
    known = (kind == dekr.KIND and (options.skip_postprocess or dekr.is_known_in(config))) or (
        kind == films.KIND and films.weights_in(config)
    )
    if kind in _OTHERS and not known:
        raise _refused(title, f"a {kind}: {_OTHERS[kind]}")
    device = check_device(options.device)
    norm, size = norm_of(test_pipeline(config)), image_size(config)
    options = replace(options, shape=options.shape or (size[::-1] if size else DEFAULT_SHAPE))
    model = build(config, _built, options).to(device)
    task = make_task(model, f"{title} ({_kind(model)})", norm, options)
    assert task.preprocess is not None  # ``make_task`` gives one
    if options.sample_channels not in (None, task.channels):
        raise InputError(
            f"--shape says {options.sample_channels} channels, and {title} takes {task.channels}",
            "batch, channels, height and width",
            "give these, or height and width alone",
        )
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
        InputError: the size is not one of the model's, or it is no model of 2D key points.
    """
    options = replace(options, shape=options.shape or DEFAULT_SHAPE)
    if is_top_down(model):
        return top_down.make_task(model, title, norm, options)
    if is_bottom_up(model) or (options.skip_postprocess and dekr.is_one(model)):
        return bottom_up.make_task(model, title, norm, options)
    if one_stage.is_one(model):
        return one_stage.make_task(model, title, norm, options)
    kind = type(model).__name__
    raise _refused(title, f"a {kind}" + (f": {_OTHERS[kind]}" if kind in _OTHERS else ""))


def is_known(model: Any) -> bool:
    """Whether it is of a kind that is known."""
    return is_top_down(model) or is_bottom_up(model) or one_stage.is_one(model)


def is_top_down(model: Any) -> bool:
    """Whether a model gets a crop, or several frames of one, and gives the key points of what it shows."""
    kind = importlib.import_module("mmpose.models").TopDown
    return isinstance(model, kind) and hasattr(model, "keypoint_head") and not _is_other(model)


def is_bottom_up(model: Any) -> bool:
    """Whether a model gives maps of which all people's key points are read, and of tags that tell whose they are."""
    kind = importlib.import_module("mmpose.models").AssociativeEmbedding
    return isinstance(model, kind) and hasattr(model, "keypoint_head")


def _is_other(model: Any) -> bool:
    others = {base.__name__ for base in type(model).__mro__} & set(_OTHERS)
    return bool(others - ({films.KIND} if films.weights_of_frames(model) else set()))


def _refused(title: str, what: str) -> InputError:
    return InputError(
        f"{title} is {what}",
        "a TopDown, an AssociativeEmbedding, a CID or a DEKR of mmpose, or a model that inherits from one",
        "export its network: give it to mmonnx.export as a plain module",
    )


def _built(config: Any) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what upstream says of keys that are called otherwise now
        model: nn.Module = importlib.import_module("mmpose.models").build_posenet(config.model)
    if films.is_of_films(model):
        films.give_weights_of_frames(model, films.weights_in(config))
    if dekr.is_one(model):
        dekr.give_meta(model, config)
    return model


def _kind(model: Any) -> str:
    """What a model is, for messages: the types of its backbone and of its head."""
    return f"{type(model.backbone).__name__}, {type(model.keypoint_head).__name__}"
