"""Pose estimators of MMPose 0.x that find people by their middles, and the key points of each, as tasks."""

from contextlib import contextmanager
from functools import partial
from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ...environment import inference
from ...loading import (
    Feeds,
    LoadOptions,
    Task,
)
from ...rewriting import current
from ...runtime import Poses, are_there
from ...support import InputError
from . import dekr
from .inputs import name_axes
from .module import one_pass
from .tasks import pose_task

KIND = "CID"
_NAMES = ["keypoints", "scores"]
_STEP = 4.0
"""Pixels from one place of a map to the next."""
_UNIT = 200.0
"""What mmpose gives the width and the height of a picture in, in pixels."""


class PeopleModule(nn.Module):
    """(N, C, H, W) -> keypoints (N, P, K, 3): x, y in pixels of the input, and the score; scores (N, P), -1 for nobody.

    It has to be called inside ``rewriting``.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        """Run the pose estimator on a batch."""
        context = current()
        assert context is not None  # it is called inside ``rewriting``
        context.start(input)
        metas = [dekr.meta_of(self.model)] if dekr.is_one(self.model) else []
        with one_pass(self.model):
            found = self.model(img=input, img_metas=metas, return_loss=False)
        return found["preds"], found["scores"]


def is_one(model: Any) -> bool:
    """Whether a model, or one of those that it inherits from, is a CID, or a DEKR of which all is known."""
    return any(base.__name__ == KIND for base in type(model).__mro__) or (dekr.is_one(model) and dekr.is_known(model))


def make_task(model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions) -> Task:
    """Make a built pose estimator, in eval mode and on the device of ``options``, a task; see ``Codebase.task_of``.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the size is not one of the model's, or an option is for others.
    """
    if options.skip_postprocess:
        raise InputError(
            f"--skip-postprocess has nothing to skip of {title}", "its key points, as the network gives them", ""
        )
    network: Any = model
    task = pose_task(
        model,
        title,
        norm,
        options,
        module=PeopleModule(model),
        output_names=_NAMES,
        network=lambda image: network.backbone(image)[0],
        predict=partial(dekr.predict if dekr.is_one(model) else _predict, model),
        read=_read,
    )
    name_axes(task, options, maps=False)
    for name in _NAMES if task.dynamic_axes else ():
        task.dynamic_axes[name][1] = "people"
    return task


def _predict(model: Any, batch: Feeds) -> List[Poses]:
    """The pose estimator's own inference, picture by picture as upstream has it."""
    found: List[Poses] = []
    heats: List[torch.Tensor] = []
    height, width = (int(side) for side in batch["input"].shape[2:])
    size = np.array([width, height], np.float32)
    meta = {"image_file": "", "base_size": (width, height), "center": size / 2, "scale": size / _UNIT, "flip_index": []}
    kernel = int(model.test_cfg.get("center_pool_kernel", 3))
    with inference(model), one_pass(model), _kept(model.keypoint_head, heats):
        for image in batch["input"]:
            one = model(img=image[None], img_metas=[{**meta, "aug_data": [image[None]]}], return_loss=False)
            rows = [np.asarray(pose, np.float32)[:, :3] for pose in one["preds"]]
            scores, maps = np.asarray(one["scores"], np.float32), heats.pop()
            if not rows:
                count = int(model.keypoint_head.heatmap_conv.out_channels)
                found.append(Poses(np.empty((0, count, 3), np.float32), scores=scores))
                continue
            chosen_by = (maps + functional.avg_pool2d(maps, kernel, 1, (kernel - 1) // 2)) / 2.0
            found.append(Poses(np.stack(rows), None, scores, chosen_by.cpu().numpy(), (_STEP, _STEP)))
    return found


@contextmanager
def _kept(head: nn.Module, heats: List[Any]) -> Iterator[None]:
    """Have a head leave the maps of people that it gives in a list, inside the block."""
    handle = head.register_forward_hook(lambda layer, inputs, output: heats.append(output[0]))
    try:
        yield
    finally:
        handle.remove()


def _read(outputs: Dict[str, np.ndarray]) -> List[Poses]:
    pairs = zip(outputs["keypoints"], map(are_there, outputs["scores"]), outputs["scores"])
    return [Poses(poses[there], scores=scores[there]) for poses, there, scores in pairs]
