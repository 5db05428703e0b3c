"""Detectors of what people do, whose boxes another detector has found, as tasks."""

from functools import partial
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import nn

from ...environment import inference
from ...loading import Feeds, LoadOptions, Task, another_size, check_device, check_size, sample_images, to_numpy
from ...rewriting import current
from ...runtime import RawOutputs
from ...support import InputError
from .layouts import Layout, Shape, Transforms, layout_of

BOXES = "proposals"
_PEOPLE = 3
"""In each film of a sample."""
_AXES = 5
"""Of a batch of films, (N, C, T, H, W)."""
_KIND = "AVARoIHead"
"""The RoI head of what tells what people do."""
_KEEPS = {"LFBInferHead", "FBOHead"}
"""Parts that write features to a file, or read them of one."""


class ActionModule(nn.Module):
    """(N, C, T, H, W) films and (N, P, 4) boxes of people in them -> (N, P, num_classes) what each of them does.

    It has to be called inside ``rewriting``.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input: torch.Tensor, proposals: torch.Tensor) -> torch.Tensor:
        """Run the network on a batch."""
        context: Optional[Any] = current()
        if context is not None:
            context.start(input[:, :, 0])
            context.upstream_path = True
        model: Any = self.model
        films, people = (torch.arange(proposals.shape[axis], device=input.device) for axis in (0, 1))
        owner = films[:, None, None].to(proposals) + torch.zeros_like(proposals[..., :1])
        rois = torch.cat([owner, proposals], 2).flatten(0, 1)
        head = model.roi_head
        logits = head._bbox_forward(model.extract_feat(input), rois, None)["cls_score"]
        scores = logits.sigmoid() if head.bbox_head.multilabel else logits.softmax(-1)
        # by places, as no row at all cannot be given another shape
        return scores[films[:, None] * proposals.shape[1] + people]


def detects_actions(model: Any) -> bool:
    """Whether a model, or the config of one, is a detector of what people do."""
    if not isinstance(model, dict):
        return type(getattr(model, "roi_head", None)).__name__ == _KIND
    head = model.get("roi_head")  # Co-DETR of mmdet has a list of them
    return isinstance(head, dict) and head.get("type") == _KIND


def reason_against(config: Any) -> Optional[str]:
    """Why a detector of what people do cannot be exported, by its config's ``model``; None where it can."""
    kind = (config.roi_head.get("shared_head") or {}).get("type")
    return "its features are kept in a file, or taken from one that was kept" if kind in _KEEPS else None


def make_action_task(model: Any, title: str, transforms: Transforms, options: LoadOptions) -> Task:
    """Make a detector of what people do a task.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the size is not one of the model's, or an option is for others.
    """
    device = check_device(options.device)
    if options.add_softmax or options.is_localizer:
        raise InputError(
            f"--softmax and --is-localizer are for other models, and {title} says what people do",
            "no such option",
            "leave it out",
        )
    layout, batch = _layout(model, title, transforms, options)
    pictures = sample_images(options, layout.channels)

    def feeds(count: int, size: Shape, first: int = 0, people: int = _PEOPLE) -> Feeds:
        chosen = [pictures[(first + number) % len(pictures)] for number in range(count)]
        found = {"input": layout.feed(chosen, size)[:, 0], BOXES: _boxes(count, people, size)}
        return {name: value.to(device) for name, value in found.items()}

    def run(size: Shape) -> Any:
        return _predict(model, feeds(1, size))

    check_size(title, layout.size, run, LoadOptions())
    other = another_size(title, layout.size, run) if options.dynamic else None
    dynamic = options.dynamic or options.dynamic_batch
    samples: Dict[str, Feeds] = {"film": feeds(batch, layout.size, 1)}
    if other is not None:
        samples["film of another size"] = feeds(1, other, 1)
    if dynamic:
        samples["two films"] = feeds(2, other or layout.size)
        samples["more people"] = feeds(1, layout.size, 1, 2 * _PEOPLE)
    dark = feeds(batch, layout.size)
    samples["dark film"] = {**dark, "input": 0.05 * dark["input"]}
    return Task(
        codebase="mmaction",
        title=title,
        module=ActionModule(model).eval(),
        inputs=feeds(batch, layout.size),
        output_names=["scores"],
        dynamic_axes=_axes(options) if dynamic else {},
        predict=partial(_predict, model),
        read=lambda outputs: [RawOutputs({"scores": outputs["scores"]})],
        preprocess=None,
        samples=samples,
        notes=[f"{BOXES} are (batch, people, 4): x1, y1, x2, y2 in pixels of the input, of another detector's people"],
    )


def _layout(model: Any, title: str, transforms: Transforms, options: LoadOptions) -> Tuple[Layout, int]:
    """The sample's layout, and its batch."""
    given = options.sample_shape
    if given is None:
        return layout_of(model, transforms, LoadOptions(shape=options.shape), title), options.batch
    layout = layout_of(model, transforms, LoadOptions(shape=(given[-2], given[-1])), title)
    if len(given) != _AXES or given[1] != layout.channels:
        raise InputError(
            f"--shape {' '.join(map(str, given))} is no input of {title}",
            f"batch, {layout.channels} channels, frames, height and width",
            "give these, or height and width alone",
        )
    return layout.of_shape((given[0], 1, *given[1:]), title), given[0]


def _axes(options: LoadOptions) -> Dict[str, Dict[int, str]]:
    """The dynamic axes: how many people there are says no model."""
    size = {3: "height", 4: "width"} if options.dynamic else {}
    people = {0: "batch", 1: "people"}
    return {"input": {0: "batch", **size}, BOXES: people, "scores": people}


def _boxes(count: int, people: int, size: Shape) -> torch.Tensor:
    """(N, P, 4) boxes in pixels that are alike in no two films."""
    height, width = size
    random = np.random.RandomState(0)
    corners = random.uniform(0, 0.5, (count, people, 2))
    sides = random.uniform(0.2, 0.5, (count, people, 2))
    boxes = np.concatenate([corners, corners + sides], 2) * [width, height, width, height]
    return torch.from_numpy(boxes.astype(np.float32))


def _predict(model: Any, feeds: Feeds) -> List[RawOutputs]:
    """The scores by upstream's own test, which takes one film at a time, those below its threshold among them."""
    rows: List[torch.Tensor] = []
    metas: Sequence[Any] = [{"img_shape": tuple(int(side) for side in feeds["input"].shape[-2:])}]
    with inference(model):
        for film, people in zip(feeds["input"], feeds[BOXES]):
            x = model.extract_feat(film[None])
            rows.append(model.roi_head.simple_test_bboxes(x, metas, [people], model.test_cfg.rcnn)[1])
    return [RawOutputs(to_numpy({"scores": torch.stack(rows)}))]
