"""What a model finds in one image, whoever ran it: numpy alone, so that it serves where no torch is installed."""

from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple, Union

import numpy as np


@dataclass(frozen=True)
class Detections:
    """The detections of one image.

    Attributes:
        dets: (n, 5) float32, ``(x1, y1, x2, y2, score)`` in pixels of the network's input, or of the picture where
            ``mmonnx.runtime`` gives them; or, of rotated boxes, (n, 6) ``(cx, cy, width, height, angle, score)``, the
            angle in radians, clockwise as one sees the picture.
        labels: (n,) int64 class indices.
        masks: (n, H, W) bool at that size, or (n, h, w) float of the head; None without a mask branch.
        mask_scores: (n,) float32; None where the model does not judge its masks.
        more: what else there is of each detection, (n, ...) by name, such as key points.
    """

    dets: np.ndarray
    labels: np.ndarray
    masks: Optional[np.ndarray] = None
    mask_scores: Optional[np.ndarray] = None
    more: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def boxes(self) -> np.ndarray:
        """(n, 4), or (n, 5) of rotated ones."""
        return self.dets[:, :-1]

    @property
    def scores(self) -> np.ndarray:
        """(n,)"""
        return self.dets[:, -1]

    @property
    def rotated(self) -> bool:
        """Whether the boxes are."""
        return is_rotated(self.dets.shape[1] - 1)


def is_rotated(columns: int) -> bool:
    """Whether boxes of so many numbers are rotated ones."""
    return columns == ROTATED


ROTATED = 5
"""The numbers of a rotated box: its centre, width, height and angle."""


@dataclass(frozen=True)
class Panoptic:
    """The panoptic map of one image.

    Attributes:
        segments: (H, W) int32, class + 1000 * instance in each pixel; stuff is instance 0, and the number of classes
            is what no class was found for.
        detections: the instances, of models that give these as well.
    """

    segments: np.ndarray
    detections: Optional[Detections] = None


@dataclass(frozen=True)
class LabelMap:
    """The class of each pixel of one image.

    Attributes:
        labels: (H, W) int64 class indices, of the network's input's size or of the one that was asked for.
        probs: (num_classes, H, W) float32 probabilities, (1, H, W) of what is no background where the model knows
            two classes by a threshold; None where they are not known.
        threshold: that of such a model, above which a probability is class 1.
    """

    labels: np.ndarray
    probs: Optional[np.ndarray] = None
    threshold: float = 0.5


@dataclass(frozen=True)
class Poses:
    """The key points of what one image shows.

    Attributes:
        keypoints: (n, K, 3) float32, ``(x, y, score)`` in pixels of the network's input, or of the picture where
            ``mmonnx.runtime`` gives them; n is 1 for a model that takes a crop of one person, animal or hand.
        boxes: (n, 4) float32, ``(x1, y1, x2, y2)`` of the boxes that the crops were made of; None without any.
        scores: (n,) float32 of whole poses, of models that find several; None without.
        heats: (n, K, h, w) float32, what the places of the key points were chosen by; None where that is not known.
        step: how many pixels apart two places of ``heats`` are, to the right and down.
    """

    keypoints: np.ndarray
    boxes: Optional[np.ndarray] = None
    scores: Optional[np.ndarray] = None
    heats: Optional[np.ndarray] = None
    step: Tuple[float, float] = (1.0, 1.0)


NOBODY = -1.0
"""The score in a file's ``scores`` where a picture has fewer people than another one of its batch."""


def are_there(scores: np.ndarray) -> np.ndarray:
    """(..., P) bool, which of a file's ``scores`` are people's: a model that judges them may give less than 0."""
    return np.asarray(scores != NOBODY)


@dataclass(frozen=True)
class EditedImage:
    """An image that a model makes of another one, or an alpha matte.

    Attributes:
        values: (C, H, W) float32, as the network gives them: a few may lie beyond ``low`` and ``high``.
        low, high: what is black, and what is white.
        rgb: the first of three channels is red, else blue.
    """

    values: np.ndarray
    low: float = 0.0
    high: float = 1.0
    rgb: bool = True

    @property
    def pixels(self) -> np.ndarray:
        """(H, W, 3) BGR uint8, or (H, W) of one channel, by the arithmetic of mmedit's ``tensor2img``."""
        span = np.float32(self.high - self.low)
        bright = (self.values.astype(np.float32).clip(self.low, self.high) - np.float32(self.low)) / span
        image = (bright * np.float32(255.0)).round().astype(np.uint8)
        if len(image) != 3:
            return image[0]
        return np.ascontiguousarray((image[::-1] if self.rgb else image).transpose(1, 2, 0))


@dataclass(frozen=True)
class Text:
    """What is written in one image.

    Attributes:
        text: the characters.
        scores: (n,) float32, one of each character.
        steps: (T, C) float32, what the characters were chosen by, of the steps that were read; None where that is not
            known.
    """

    text: str
    scores: np.ndarray
    steps: Optional[np.ndarray] = None


@dataclass(frozen=True)
class TextRegions:
    """Where text is in one image.

    Attributes:
        boundaries: x1, y1, x2, y2, ... of the corners of each, (2k,) float64, in pixels of the picture.
        scores: (n,) float64.
    """

    boundaries: Sequence[np.ndarray]
    scores: np.ndarray


@dataclass(frozen=True)
class TextMaps:
    """The maps of one image that text, or where it is, is read of.

    Attributes:
        values: (C, h, w) float32 each, by output name.
        texts: how, see ``runtime.texts``.
        shape: (height, width) of the network's input.
    """

    values: Dict[str, np.ndarray]
    texts: Mapping[str, Any]
    shape: Tuple[int, int]


@dataclass(frozen=True)
class KeyInformation:
    """What the texts in one image are, and which of them belong together.

    Attributes:
        nodes: (n, num_classes) float32, the probabilities of each text's classes.
        edges: (n * n, 2) float32, how likely the second text of a pair does not belong to the first one, and does;
            the pairs of the first text come first.
        boxes: (n, 4) float32, ``(x1, y1, x2, y2)`` around the texts, in pixels of the picture; None where that is not
            known.
        texts: what is written there; None where that is not known.
        pairs: the places of a key and of its value, and how likely they belong together, of models that are asked.
    """

    nodes: np.ndarray
    edges: np.ndarray
    boxes: Optional[np.ndarray] = None
    texts: Optional[Sequence[str]] = None
    pairs: Sequence[Tuple[int, int, float]] = ()

    @property
    def values(self) -> Dict[str, np.ndarray]:
        """The probabilities by output name."""
        return {"nodes": self.nodes, "edges": self.edges}

    @property
    def labels(self) -> np.ndarray:
        """(n,) int64, the class of each text."""
        return self.nodes.argmax(1)

    @property
    def links(self) -> np.ndarray:
        """(n, n) float32, how likely a text belongs to another."""
        return self.edges[:, -1].reshape(len(self.nodes), len(self.nodes))


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


Result = Union[
    Detections,
    Panoptic,
    LabelMap,
    Poses,
    EditedImage,
    Text,
    TextRegions,
    TextMaps,
    KeyInformation,
    Scores,
    RawOutputs,
]
