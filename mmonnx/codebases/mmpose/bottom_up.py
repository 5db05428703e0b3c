"""Pose estimators of MMPose 0.x that find all people of a picture by associative embedding, as tasks.

The file gives the maps of heat and of tags, as upstream has them in front of the grouping, which ``runtime`` does.
"""

from contextlib import contextmanager
from functools import partial
from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np
import torch
from torch import nn

from ...environment import inference
from ...loading import (
    Feeds,
    LoadOptions,
    RawModule,
    Task,
    flatten,
    give_raw,
    raw_names,
    to_numpy,
)
from ...rewriting import POSE_MAPS, current
from ...runtime import RawOutputs
from .inputs import name_axes
from .module import one_pass
from .tasks import pose_task

_NAMES = ["heatmaps", "tags"]
Maps = Tuple[torch.Tensor, torch.Tensor]


class MapsModule(nn.Module):
    """(N, C, H, W) -> heatmaps (N, K, h, w), and tags (N, K or 1, h, w).

    It runs the pose estimator's own inference up to the grouping, and has to be called inside ``rewriting``.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input: torch.Tensor) -> Maps:
        """Run the pose estimator on a batch."""
        context = current()
        assert context is not None  # it is called inside ``rewriting``
        context.start(input)
        _run(self.model, input)
        return _without_passes(context.extras[POSE_MAPS])


def make_task(model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions) -> Task:
    """Make a built pose estimator, in eval mode and on the device of ``options``, a task; see ``Codebase.task_of``.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the size is not one of the model's.
    """

    def takes_raw(batch: Feeds) -> Any:
        with inference(model):
            return _network(model)(batch["input"])

    task = pose_task(
        model,
        title,
        norm,
        options,
        module=MapsModule(model),
        output_names=_NAMES,
        network=_network(model),
        predict=partial(_predict, model),
        read=lambda outputs: [RawOutputs(dict(outputs))],
        takes=takes_raw if options.skip_postprocess else None,
    )
    if options.skip_postprocess:
        module = RawModule(model, _network(model)).eval()
        give_raw(task, module, raw_names(module, task.inputs["input"]))
    else:
        task.notes.append("the file gives maps: whose each key point is, mmonnx predict says")
    name_axes(task, options, maps=True)
    return task


def _network(model: Any) -> Any:
    return lambda image: flatten(model.forward_dummy(image))


def _run(model: Any, image: torch.Tensor) -> None:
    """Run upstream's inference on a batch as on one picture, of which nothing but its batch of one differs."""
    height, width = image.shape[2:]
    one = {"image_file": "", "aug_data": [image], "test_scale_factor": [1], "base_size": (width, height)}
    place = {"center": np.zeros(2), "scale": np.ones(2), "flip_index": []}
    with one_pass(model):
        model(img=image[:1], img_metas=[{**one, **place}], return_loss=False)


def _predict(model: Any, batch: Feeds) -> List[RawOutputs]:
    """The pose estimator's own inference up to the grouping, picture by picture as upstream has it."""
    found: List[Maps] = []
    with inference(model), _grouping_left_out(model.parser, found):
        for image in batch["input"]:
            _run(model, image[None])
    heats, tags = (torch.cat(maps) for maps in zip(*map(_without_passes, found)))
    return [RawOutputs(to_numpy({"heatmaps": heats, "tags": tags}))]


@contextmanager
def _grouping_left_out(parser: Any, found: List[Maps]) -> Iterator[None]:
    """Have a parser keep in a list what it would group, inside the block."""

    def parse(heatmaps: torch.Tensor, tags: torch.Tensor, *settings: Any) -> Tuple[List[Any], List[Any]]:
        found.append((heatmaps, tags))
        return [], []

    parser.parse = parse
    try:
        yield
    finally:
        del parser.parse


def _without_passes(maps: Maps) -> Maps:
    """Maps without the last axis of the tags, which has one place a pass."""
    heats, tags = maps
    return heats, tags[..., 0]
