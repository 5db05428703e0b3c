"""The two digit models on held-out images: PyTorch's own inference and an exported file, side by side."""

import contextlib
import io
from typing import Any, Callable, List, NamedTuple, Tuple

import numpy as np

from ..codebases import to_detections
from ..runtime import Classifier, Detections, Detector
from ..support import alone
from ..verifying import Tolerances, match
from . import digits

Detect = Callable[[np.ndarray], Detections]
Classify = Callable[[np.ndarray], Tuple[int, float]]

HELD_OUT = 200
"""Images that the models are compared on."""
BOX, SCORE = 0.01, 1e-4
"""How far apart the two may be: sides of boxes in pixels of the picture, and scores."""


class Comparison(NamedTuple):
    """How two models compare.

    Attributes:
        pytorch, onnx: the metric of each.
        pictures: how many there are.
        alike: those of which all answers are the same, one to one.
        matched, total: the answers that are the same, and all of either side.
    """

    pytorch: float
    onnx: float
    pictures: int
    alike: int
    matched: int
    total: int


def pytorch_detector(config: str, checkpoint: str) -> Detect:
    """mmdet's own inference: a BGR image (H, W, 3) to its detections, in pixels of that image."""
    from mmdet.apis import inference_detector, init_detector

    with alone(), contextlib.redirect_stdout(io.StringIO()):  # mmcv prints where it loads from
        model = init_detector(config, checkpoint, device="cpu")
    return lambda image: to_detections(inference_detector(model, image), (image.shape[0], image.shape[1]))


def pytorch_classifier(config: str, checkpoint: str) -> Classify:
    """mmcls's own inference: a BGR image (H, W, 3) to its class and the class's score."""
    from mmcls.apis import inference_model, init_model

    with alone(), contextlib.redirect_stdout(io.StringIO()):
        model = init_model(config, checkpoint, device="cpu")

    def classify(image: np.ndarray) -> Tuple[int, float]:
        found = inference_model(model, image)
        return int(found["pred_label"]), float(found["pred_score"])

    return classify


def compare_detectors(pytorch: Detect, onnx: Detector, num: int = HELD_OUT) -> Comparison:
    """mAP@0.5 of both on the same held-out composites, and their detections matched one to one."""
    samples = list(digits.detection_samples("test", num))
    expected, actual = ([detect(sample.image) for sample in samples] for detect in (pytorch, onnx))
    found = [match(*pair, tolerances=Tolerances(box=BOX, score=SCORE)) for pair in zip(expected, actual)]
    metrics = (digits.mean_average_precision(list(map(by_class, one)), samples) for one in (expected, actual))
    return _comparison(metrics, [(one.matched, one.total) for one in found])


def compare_classifiers(pytorch: Classify, onnx: Classifier, num: int = HELD_OUT) -> Comparison:
    """The share of the same held-out crops that each names rightly, and what they name them."""
    samples = list(digits.classification_samples("test", num))
    expected = [pytorch(sample.image) for sample in samples]
    best = [onnx.top(onnx(sample.image), 1)[0] for sample in samples]
    actual = [(label, score) for label, _, score in best]
    alike = [one[0] == other[0] and abs(one[1] - other[1]) <= SCORE for one, other in zip(expected, actual)]
    metrics = (np.mean([row[0] == sample.label for row, sample in zip(one, samples)]) for one in (expected, actual))
    return _comparison(metrics, [(int(same), 1) for same in alike])


def _comparison(metrics: Any, counts: List[Tuple[int, int]]) -> Comparison:
    """Of the two metrics, and of each picture the answers that are the same and all of them."""
    matched, total = (sum(column) for column in zip(*counts))
    alike = sum(same == every for same, every in counts)
    pytorch, onnx = map(float, metrics)
    return Comparison(pytorch, onnx, len(counts), alike, matched, total)


def by_class(found: Detections) -> List[np.ndarray]:
    """A (n, 5) array of (x1, y1, x2, y2, score) for each class."""
    return [found.dets[found.labels == label] for label in range(len(digits.CLASSES))]
