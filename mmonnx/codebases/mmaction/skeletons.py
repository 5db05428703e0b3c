"""Recognizers of key points as tasks."""

from functools import partial
from typing import Any, Dict, List, Mapping, Sequence

import numpy as np
import torch

from ...loading import LoadOptions, Task, check_device
from ...runtime import Scores
from ...support import InputError
from .families import Family
from .module import RecognizerModule

_FRAMES = 300
"""Of a sample, where no test pipeline says."""


def make_skeleton_task(
    model: Any, family: Family, title: str, transforms: Sequence[Mapping[str, Any]], options: LoadOptions
) -> Task:
    """Make a recognizer of key points a task; its input is (N, C, T, V, M), of V joints of M people in T frames.

    Raises:
        InputError: an option is for models of pictures.
    """
    shape = _shape(model, title, transforms, options)
    device = check_device(options.device)
    longer = (*shape[:2], shape[2] + 28, *shape[3:])
    dynamic = options.dynamic or options.dynamic_batch
    axes: Dict[str, Dict[int, str]] = {}
    name = "probs" if options.add_softmax else "logits"
    if dynamic:
        axes = {"input": {0: "batch", **({2: "frames"} if options.dynamic else {})}, name: {0: "batch"}}
    samples = {
        "walk": _walks(shape, 1),
        "two walks": _walks((2, *shape[1:]), 2) if dynamic else None,
        "longer walk": _walks((1 if dynamic else shape[0], *longer[1:]), 3) if options.dynamic else None,
        "nobody": torch.zeros(shape),
    }
    return Task(
        codebase="mmaction",
        title=title,
        module=RecognizerModule(model, family, options.add_softmax).eval(),
        inputs={"input": _walks(shape, 0).to(device)},
        output_names=[name],
        dynamic_axes=axes,
        predict=partial(_predict, model, family, options.add_softmax),
        read=_read,
        preprocess=None,
        samples={name: {"input": one.to(device)} for name, one in samples.items() if one is not None},
    )


def _shape(model: Any, title: str, transforms: Sequence[Mapping[str, Any]], options: LoadOptions) -> Sequence[int]:
    """(N, C, T, V, M) of the sample."""
    joints = int(model.backbone.A.shape[-1])
    people = int(model.cls_head.num_person)
    channels = int(model.backbone.data_bn.num_features) // joints if hasattr(model.backbone, "data_bn") else 3
    if hasattr(model.backbone, "data_bn") and model.backbone.data_bn.num_features % (joints * people * 3) == 0:
        channels = 3
    if options.image or options.shape:
        raise InputError(
            f"{title} takes key points, and no pictures",
            f"--shape of batch, {channels}, frames, {joints} and {people}",
            "leave --shape and --input-img out",
        )
    frames = next((int(one["clip_len"]) for one in transforms if "clip_len" in one), _FRAMES)
    wanted = (options.batch, channels, frames, joints, people)
    if options.sample_shape is None:
        return wanted
    given = options.sample_shape
    if len(given) != len(wanted) or (given[1], *given[3:]) != (channels, joints, people):
        raise InputError(
            f"--shape {' '.join(map(str, given))} is no input of {title}",
            f"batch, {channels} channels, frames, {joints} joints and {people} people",
            "give these, or leave it out",
        )
    return given


def _walks(shape: Sequence[int], seed: int) -> torch.Tensor:
    """Joints that swing, each by its own, as far as those of a person do in metres or shares of a picture."""
    generator = torch.Generator().manual_seed(seed)
    batch, channels, frames, joints, people = shape
    rest, swing, pace, phase = torch.randn((4, batch, channels, 1, joints, people), generator=generator)
    time = torch.arange(frames, dtype=torch.float32).reshape(1, 1, -1, 1, 1)
    return 0.5 * rest + 0.2 * swing * torch.sin(time * (0.1 + 0.05 * pace.abs()) + 3 * phase)


def _predict(model: Any, family: Family, softmax: bool, feeds: Dict[str, torch.Tensor]) -> List[Scores]:
    rows = torch.from_numpy(np.asarray(family.predict(model, feeds["input"])))
    return [Scores(row) for row in (rows.softmax(1) if softmax else rows).numpy()]


def _read(outputs: Dict[str, np.ndarray]) -> List[Scores]:
    (rows,) = outputs.values()
    return [Scores(row) for row in rows]
