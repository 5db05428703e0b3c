"""What the files of every exporter say, as results of one kind."""

from functools import partial
from typing import Any, Callable, Dict, Sequence, Tuple

import numpy as np
import torch

from mmonnx.loading.task import Task
from mmonnx.runtime.results import Detections, Result

from .peers import Peer, peer_of
from .scoped import replaced

Outputs = Dict[str, np.ndarray]
Shape = Tuple[int, int]
Read = Callable[[Outputs], Sequence[Result]]


def reader(task: Task, shape: Shape) -> Read:
    """What makes results of a file's outputs, whoever wrote the file.

    Args:
        task: the model.
        shape: (height, width) of the input.

    Raises:
        InputError: nobody else exports such models.
    """
    peer = peer_of(task.codebase, task.output_names)
    if peer.pads:
        return lambda outputs: [read_detections(outputs, task.score_thr, shape)]
    theirs = partial(_going_on, task, peer, shape) if peer.ends_at else partial(_named, task)
    return lambda outputs: task.read(outputs) if set(task.output_names) <= set(outputs) else theirs(outputs)


def read_detections(outputs: Outputs, score_thr: float, shape: Shape) -> Detections:
    """The real detections of the first image: upstream's files pad them with score 0, mmonnx's with label -1.

    Args:
        outputs: ``dets`` (N, D, 5), or (N, D, 6) of rotated boxes, ``labels`` (N, D) and, if there are any, ``masks``;
            without these names the first two outputs are taken for the first two. Masks of another size than the
            input's are left out.
        score_thr: what the model itself drops.
        shape: (height, width) of the input.

    Raises:
        ValueError: the outputs are of other shapes.
    """
    if not {"dets", "labels"} <= set(outputs):
        outputs = dict(zip(("dets", "labels"), outputs.values()))
    dets, labels = outputs.get("dets", np.zeros(1))[0], outputs.get("labels", np.zeros(1))[0]
    if dets.ndim != 2 or dets.shape[1] not in (5, 6) or labels.shape != dets.shape[:1]:
        raise ValueError(f"outputs {dets.shape} and {labels.shape} are no detections and labels")
    real = (labels >= 0) & (dets[:, -1] > score_thr)
    masks = outputs.get("masks")
    pasted = masks is not None and masks.shape[-2:] == tuple(shape)
    return Detections(dets[real], labels[real], masks[0][real] if pasted else None)


def _named(task: Task, outputs: Outputs) -> Sequence[Result]:
    """Outputs in the task's order by the task's names; maps of classes (N, 1, H, W) are (N, H, W)."""
    named = dict(zip(task.output_names, outputs.values()))
    return task.read({name: value[:, 0] if name == "seg_map" else value for name, value in named.items()})


def _going_on(task: Task, peer: Peer, shape: Shape, outputs: Outputs) -> Sequence[Result]:
    """PyTorch's own answers where a part of the model gives what the file gives."""
    part, _, method = peer.ends_at.partition(".")
    (value,) = outputs.values()
    model: Any = task.module.model
    given = value if peer.ends_in_numpy else torch.from_numpy(value)
    with replaced(getattr(model, part), method, lambda *arguments, **more: given):
        return task.predict({"input": torch.zeros(len(value), task.channels, *shape)})
