"""What a codebase hands to the rest of mmonnx: a Task and the results that it predicts and reads."""

from dataclasses import dataclass, field
from typing import Callable, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from torch import nn


@dataclass(frozen=True)
class Detections:
    """The detections of one image.

    Attributes:
        dets: (n, 5) float32, ``(x1, y1, x2, y2, score)`` in pixels of the network's input.
        labels: (n,) int64 class indices.
        masks: (n, H, W) bool at the input's size, or (n, h, w) float of the head; None without a mask branch.
        mask_scores: (n,) float32; None where the model does not judge its masks.
    """

    dets: np.ndarray
    labels: np.ndarray
    masks: Optional[np.ndarray] = None
    mask_scores: Optional[np.ndarray] = None


@dataclass(frozen=True)
class Scores:
    """The classes of one image.

    Attributes:
        probs: (num_classes,) float32 probabilities or logits; with ``labels``, those of the best classes.
        labels: (k,) int64 the best classes, the best one first; None where all are there, in their order.
    """

    probs: np.ndarray
    labels: Optional[np.ndarray] = None


@dataclass(frozen=True)
class RawOutputs:
    """The network's raw outputs for a whole batch (``--skip-postprocess``), by output name."""

    values: Dict[str, np.ndarray]


Result = Union[Detections, Scores, RawOutputs]
Feeds = Dict[str, torch.Tensor]


@dataclass
class Task:
    """One model, ready to be exported and verified.

    Attributes:
        codebase: ``mmdet`` or ``mmcls``.
        title: what the model is, for messages: the config's name and the detector's type.
        module: what is traced; its forward takes the tensors of ``inputs`` in order and returns the outputs in order.
        inputs: the sample inputs of the trace by name; ``input`` is (N, 3, H, W) float32, normalised.
        output_names: names of the module's outputs, in order.
        dynamic_axes: ``{tensor name: {axis: axis name}}``, empty for a static export.
        predict: PyTorch's own inference on inputs of any size; one result per image (one RawOutputs for raw outputs).
        read: the runtime's outputs by name, as the same kind of results that ``predict`` gives.
        preprocess: ``(BGR uint8 images (H, W, 3), (height, width)) -> feeds``: resizes each image to exactly that
            size, normalises and stacks.
        score_thr: the score below which the model drops detections; 0.0 where it has no such threshold.
        max_per_img: the greatest number of detections in an image, None where there is no limit.
        other_shape: another (height, width) that the model is known to take, None where it takes any.
        divisor: what the height and the width of the inputs that the model is made for are multiples of, in pixels.
        classes: class names, may be empty.
        notes: lines that the closing table shows (for example an axis that could not be made dynamic).
    """

    codebase: str
    title: str
    module: nn.Module
    inputs: Feeds
    output_names: List[str]
    dynamic_axes: Dict[str, Dict[int, str]]
    predict: Callable[[Feeds], List[Result]]
    read: Callable[[Dict[str, np.ndarray]], List[Result]]
    preprocess: Callable[[Sequence[np.ndarray], Tuple[int, int]], Feeds]
    score_thr: float = 0.0
    max_per_img: Optional[int] = None
    other_shape: Optional[Tuple[int, int]] = None
    divisor: int = 32
    classes: Sequence[str] = ()
    notes: List[str] = field(default_factory=list)

    @property
    def shape(self) -> Tuple[int, int]:
        """(height, width) of the sample input, in pixels."""
        height, width = self.inputs["input"].shape[2:]
        return int(height), int(width)

    @property
    def dynamic_size(self) -> bool:
        """Whether height and width of ``input`` are dynamic."""
        axes = self.dynamic_axes.get("input", {})
        return 2 in axes and 3 in axes

    @property
    def dynamic_batch(self) -> bool:
        """Whether the batch of ``input`` is dynamic."""
        return 0 in self.dynamic_axes.get("input", {})
