"""What a codebase hands to the rest of mmonnx: a Task and the results that it predicts and reads."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Callable, Collection, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from torch import nn

from ..runtime import Result
from .kinds import NO_KINDS, Kinds

Feeds = Dict[str, torch.Tensor]
_OF_PICTURES = 4
"""(N, C, H, W), where clips are (N, M, C, T, H, W), or (N, M, C, H, W)."""


@dataclass
class Task:
    """One model, ready to be exported and verified.

    Attributes:
        codebase: ``mmdet``, ``mmcls`` or ``torch``.
        title: what the model is, for messages: the config's name and the detector's type.
        module: what is traced; its forward takes the tensors of ``inputs`` in order and returns the outputs in order.
        inputs: the sample inputs of the trace by name; of a model of images, the first is (N, C, H, W) float32,
            normalised; of one of clips (N, M, C, T, H, W), or (N, M, C, H, W).
        output_names: names of the module's outputs, in order.
        dynamic_axes: ``{tensor name: {axis: axis name}}``, empty for a static export.
        output_shapes: what is known of the outputs' axes beyond the graph, by output and axis: a size, or a name where
            the size depends on the inputs' values.
        predict: PyTorch's own inference on inputs of any size; one result per image (one RawOutputs for raw outputs).
        read: the runtime's outputs by name, as the same kind of results that ``predict`` gives.
        preprocess: ``(images (H, W, C), of three channels BGR, (height, width)) -> feeds``: resizes each image to
            exactly that size, gives it the model's number of channels, normalises and stacks; a model of clips gets one
            of each image. None for a model that is no model of images. Nothing is padding.
        preprocess_padded: ``(images, (height, width), (height, width) of the pictures) -> feeds``: resizes each image
            to the second size and fills up the first as test pipelines do, with zeros after normalising, right of and
            below the image or, of a model that has it so, around it. None where the model cannot be told the padding,
            or gives the same answers if it is.
        optional: what the inputs are that may be left out, by name, where they are.
        score_thr: the score below which the model drops detections; 0.0 where it has no such threshold.
        max_per_img: the greatest number of detections in an image, None where there is no limit.
        other_shape: another (height, width) that the model is known to take, None where it takes any.
        larger_shape: a (height, width) larger than that of the sample input, to verify a model on of whose code nothing
            is known: a branch in it may depend on the size, and the trace has one side of it. None for no such size.
        samples: inputs to verify a plain model on, beside the photographs of a model of images, by what they are.
        faults: in what the file cannot be as the model, a line each that begins with the place in the model's code;
            before the trace, what is known by then.
        divisor: what the height and the width of the inputs that the model is made for are multiples of, in pixels.
        classes: class names, may be empty.
        palette: (red, green, blue) of each class, may be empty.
        skeleton: lines between key points, see ``runtime.description``; may be empty.
        grouping: how key points of several people are read of maps, and told from those of somebody who was found
            twice, see ``runtime.grouping``; None where they are not.
        texts: how text, or where it is, is read of the outputs, see ``runtime.texts``; None where it is not.
        annotations: how the texts of a picture become inputs, see ``runtime.annotations``; None for a model without.
        prompt: how text that the file takes becomes its inputs, see ``runtime.prompts``; None for a file without.
        companions: how inputs beside the picture are prepared, see ``runtime.companions``; may be empty.
        image_values: what is black and what is white in an image that the model makes, see ``runtime.description``.
        pipeline: the test pipeline as data, see ``runtime.pipeline``; None where it is not known.
        config_text: the whole config as Python; empty where there is none.
        weights: where the weights are from that no checkpoint's file holds.
        mask_thr: the probability from which on a pixel belongs to a mask.
        box_limits: what boxes may reach, see ``runtime.boxes``.
        depends_on_padding: the answers depend on where the padding of an image begins.
        twice: ``predict`` runs the model on each image twice, as it takes no batch of one.
        kinds: how results of the codebase's own types are compared and drawn, by type.
        notes: lines that the closing table shows (for example an axis that could not be made dynamic).
    """

    codebase: str
    title: str
    module: nn.Module
    inputs: Feeds
    output_names: List[str]
    dynamic_axes: Dict[str, Dict[int, str]]
    predict: Callable[[Feeds], Sequence[Result]]
    read: Callable[[Dict[str, np.ndarray]], Sequence[Result]]
    preprocess: Optional[Callable[[Sequence[np.ndarray], Tuple[int, int]], Feeds]]
    preprocess_padded: Optional[Callable[[Sequence[np.ndarray], Tuple[int, int], Tuple[int, int]], Feeds]] = None
    optional: Dict[str, Tuple[float, ...]] = field(default_factory=dict)
    output_shapes: Mapping[str, Mapping[int, Union[int, str]]] = field(default_factory=dict)
    score_thr: float = 0.0
    max_per_img: Optional[int] = None
    other_shape: Optional[Tuple[int, int]] = None
    larger_shape: Optional[Tuple[int, int]] = None
    samples: Dict[str, Feeds] = field(default_factory=dict)
    faults: List[str] = field(default_factory=list)
    divisor: int = 32
    classes: Sequence[str] = ()
    palette: Sequence[Sequence[int]] = ()
    skeleton: Sequence[Dict[str, List[int]]] = ()
    grouping: Optional[Dict[str, Any]] = None
    texts: Optional[Dict[str, Any]] = None
    annotations: Optional[Dict[str, Any]] = None
    prompt: Optional[Dict[str, Any]] = None
    companions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    image_values: Mapping[str, Any] = field(default_factory=dict)
    pipeline: Optional[List[Dict[str, Any]]] = None
    config_text: str = ""
    weights: str = "random weights"
    mask_thr: float = 0.5
    box_limits: str = "image"
    depends_on_padding: bool = False
    twice: bool = False
    kinds: Kinds = field(default_factory=lambda: NO_KINDS)
    notes: List[str] = field(default_factory=list)

    @property
    def shape(self) -> Tuple[int, int]:
        """(height, width) of the sample input, in pixels; (0, 0) if it is not an image."""
        if self.preprocess is None:
            return 0, 0
        height, width = self._first[1].shape[-2:]
        return int(height), int(width)

    @property
    def channels(self) -> int:
        """The channels of the sample input; 0 if it is not an image."""
        first = self._first[1]
        return int(first.shape[1 if first.dim() == _OF_PICTURES else 2]) if self.preprocess is not None else 0

    @property
    def dynamic_size(self) -> bool:
        """Whether the images' size is dynamic: height and width, or the width alone of lines of text."""
        name, first = self._first
        return self.preprocess is not None and first.dim() - 1 in self.dynamic_axes.get(name, {})

    @property
    def dynamic_batch(self) -> bool:
        """Whether the batch is dynamic."""
        return 0 in self.dynamic_axes.get(self._first[0], {})

    def without(self, names: Collection[str]) -> "Task":
        """The task of the same model without some of the inputs that may be left out."""
        if not names:
            return self
        kept = {name: value for name, value in self.optional.items() if name not in names}
        padded = self.preprocess_padded if kept else None
        return replace(
            self,
            inputs=_without(self.inputs, names),
            optional=kept,
            samples={name: feeds for name, feeds in self.samples.items() if not set(names) & set(feeds)},
            preprocess=self.preprocess and partial(_prepare_without, names, self.preprocess),
            preprocess_padded=padded and partial(_prepare_without, names, padded),
        )

    @property
    def _first(self) -> Tuple[str, torch.Tensor]:
        return next(iter(self.inputs.items()))


def _prepare_without(names: Collection[str], prepare: Callable[..., Feeds], *arguments: Any) -> Feeds:
    return _without(prepare(*arguments), names)


def _without(feeds: Feeds, names: Collection[str]) -> Feeds:
    return {name: value for name, value in feeds.items() if name not in names}


def to_numpy(tensors: Mapping[str, torch.Tensor]) -> Dict[str, np.ndarray]:
    """Tensors of any device, by name, as arrays."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
