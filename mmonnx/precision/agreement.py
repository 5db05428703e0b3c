"""How far two files of one model agree on pictures of which nobody knows what they show."""

from typing import Any, Callable, Dict, Tuple

import numpy as np

from ..runtime import Classifier, Detections, Detector, Segmentor
from ..support import InputError

SURE, _ALMOST = 0.3, 0.15
"""A detection that is as sure in one file has to be found in the other one, by half of the score at least."""
_OVERLAP = 0.5
Count = Tuple[float, float]
"""What agrees, and of how much."""


def detections_agree(expected: Detections, actual: Detections) -> Count:
    """Sure detections of either that the other one has as well, at the place of which they overlap by half."""
    found = _found(expected, actual) + _found(actual, expected)
    total = sum(int((one.scores >= SURE).sum()) for one in (expected, actual))
    return float(found), float(total)


def _found(wanted: Detections, given: Detections) -> int:
    pairs = match(wanted, given)
    return sum(wanted.scores[row] >= SURE and given.scores[other] >= _ALMOST for row, other in pairs)


def match(expected: Detections, actual: Detections) -> Tuple[Tuple[int, int], ...]:
    """Pairs of detections of one class that overlap by half or more, the best scores first, as COCO counts them.

    Raises:
        InputError: their boxes are rotated.
    """
    if expected.rotated:
        raise InputError("boxes are rotated", "upright ones, or a metric", "give --config with its data set")
    overlaps = iou(expected.dets[:, :4], actual.dets[:, :4])
    overlaps[expected.labels[:, None] != actual.labels[None]] = 0
    pairs = []
    for row in np.argsort(-expected.scores, kind="stable"):
        if overlaps.shape[1] and overlaps[row].max() >= _OVERLAP:
            other = int(overlaps[row].argmax())
            overlaps[:, other] = 0
            pairs.append((int(row), other))
    return tuple(pairs)


def iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Overlaps (n, m) of boxes (n, 4) and (m, 4), of (x1, y1, x2, y2)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(np.clip(each[:, 2:] - each[:, :2], 0, None), axis=1) for each in (boxes, others)]
    return shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-9)


def classes_agree(expected: Any, actual: Any) -> Count:
    """Whether the best class is the same one."""
    return float(best(expected) == best(actual)), 1.0


def best(scores: Any) -> int:
    """The class with the best score."""
    place = int(np.argmax(scores.probs))
    return place if scores.labels is None else int(scores.labels[place])


def pixels_agree(expected: Any, actual: Any) -> Count:
    """The pixels of the same class."""
    return float((expected.labels == actual.labels).sum()), float(expected.labels.size)


_KINDS: Dict[type, Tuple[str, Callable[[Any, Any], Count]]] = {
    Detector: ("sure detections in both files, %", detections_agree),
    Classifier: ("same class, %", classes_agree),
    Segmentor: ("pixels of the same class, %", pixels_agree),
}


def agreement_of(model: Any) -> Tuple[str, Callable[[Any, Any], Count]]:
    """What to compare the answers of a model by, and what that is called.

    Raises:
        InputError: nothing is known for its kind.
    """
    if type(model) not in _KINDS:
        raise InputError(
            f"a loss of {model.description.task} is not known how to be measured on pictures alone",
            "a detector of upright boxes, a classifier or a segmentor, or a data set with a metric",
            "give --config with its data set, or leave --precision out",
        )
    return _KINDS[type(model)]
