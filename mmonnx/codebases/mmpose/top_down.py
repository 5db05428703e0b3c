"""Pose estimators of MMPose 0.x that get crops, or films of one, as tasks."""

import importlib
from functools import partial
from typing import Any, Callable, Dict, List, Optional

import cv2
import numpy as np
import torch
from torch import nn

from ...environment import inference
from ...loading import (
    Feeds,
    LoadOptions,
    RawModule,
    Task,
    give_raw,
    raw_names,
)
from ...runtime import Poses
from .films import heats_of, in_one_batch, weights_of_frames
from .inputs import name_axes
from .module import PoseModule, asked, is_udp, one_pass
from .tasks import pose_task

_RANK_OF_MAPS = 4
"""(N, K, h, w), where a regression gives (N, K, 2 or 4)."""


def make_task(model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions) -> Task:
    """Make a built pose estimator, in eval mode and on the device of ``options``, a task; see ``Codebase.task_of``.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the size is not one of the model's.
    """
    frames = len(weights_of_frames(model))
    task = pose_task(
        model,
        title,
        norm,
        options,
        module=PoseModule(model),
        output_names=["keypoints"],
        network=model.backbone if frames else _network(model),
        predict=partial(_predict, model),
        read=_read,
        frames=frames,
    )
    if options.skip_postprocess:
        module = RawModule(model, _network(model)).eval()
        give_raw(task, module, raw_names(module, task.inputs["input"]))
        raw: Any = task.predict(task.inputs)[0]
        name_axes(task, options, maps=raw.values[task.output_names[0]].ndim == _RANK_OF_MAPS)
    else:
        name_axes(task, options, maps=False)
    if frames:
        task.notes.append(f"a film has {frames} frames, the one whose key points are found first")
    return task


def _network(model: Any) -> Callable[[torch.Tensor], Any]:
    """What makes of crops, or of films, what key points are decoded of, the last stage's."""
    if weights_of_frames(model):
        return partial(heats_of, model)

    def run(image: torch.Tensor) -> Any:
        output = model.forward_dummy(image)
        return output[-1] if isinstance(output, (list, tuple)) else output

    return run


def _predict(model: Any, batch: Feeds) -> List[Poses]:
    """The pose estimator's own inference."""
    image = batch["input"]
    with inference(model), one_pass(model), in_one_batch(model):
        found = model(**asked(model, image), return_heatmap=True)
    maps = found["output_heatmap"]
    if maps.ndim != _RANK_OF_MAPS:  # what a regression gives
        return [Poses(pose[None]) for pose in found["preds"]]
    heats = _chosen_by(model, maps)
    less = 1 if is_udp(model) else 0
    step = [(side - less) / max(places - less, 1) for side, places in zip(image.shape[:-3:-1], heats.shape[:-3:-1])]
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
