"""The digit models on held-out images: PyTorch's own inference and an exported file, side by side."""

import contextlib
import io
from typing import Any, Callable, List, NamedTuple, Sequence, Tuple

import numpy as np

from ..codebases import to_detections, to_rotated_detections
from ..runtime import Classifier, Detections, Detector, LabelMap, Segmentor
from ..support import alone
from ..verifying import Tolerances, match
from . import digits

Detect = Callable[[np.ndarray], Detections]
Classify = Callable[[np.ndarray], Tuple[int, float]]
Segment = Callable[[np.ndarray], LabelMap]

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


def pytorch_segmentor(config: str, checkpoint: str) -> Segment:
    """mmseg's own inference: a BGR image (H, W, 3) to its label map, with the probabilities that it comes from."""
    from mmseg.apis import inference_segmentor, init_segmentor

    with alone(), contextlib.redirect_stdout(io.StringIO()):
        model = init_segmentor(config, checkpoint, device="cpu")
    probs: List[Any] = []
    upstream = model.inference

    def inference(*args: Any) -> Any:
        probs[:] = [upstream(*args)]
        return probs[0]

    model.inference = inference

    def segment(image: np.ndarray) -> LabelMap:
        (labels,) = inference_segmentor(model, image)
        return LabelMap(labels.astype(np.int64), probs[0][0].numpy())

    return segment


def pytorch_rotated_detector(config: str, checkpoint: str) -> Detect:
    """mmrotate's detectors by mmdet's inference: a BGR image (H, W, 3) to its detections, in pixels of that image."""
    import mmrotate.models  # noqa: F401  registers them
    from mmdet.apis import inference_detector, init_detector

    with alone(), contextlib.redirect_stdout(io.StringIO()):
        model = init_detector(config, checkpoint, device="cpu")
    return lambda image: to_rotated_detections(inference_detector(model, image))


def compare_detectors(pytorch: Detect, onnx: Detector, num: int = HELD_OUT) -> Comparison:
    """mAP@0.5 of both on the same held-out composites, and their detections matched one to one."""
    samples = list(digits.detection_samples("test", num))
    return _compare_boxes(pytorch, onnx, samples, digits.mean_average_precision)


def compare_rotated_detectors(pytorch: Detect, onnx: Detector, num: int = HELD_OUT) -> Comparison:
    """As `compare_detectors`, on composites of turned digits."""
    samples = list(digits.rotated_samples("test", num))
    return _compare_boxes(pytorch, onnx, samples, digits.rotated_mean_average_precision)


def compare_segmentors(pytorch: Segment, onnx: Segmentor, num: int = HELD_OUT) -> Comparison:
    """mIoU of both on the same held-out composites, and their label maps pixel by pixel."""
    samples = list(digits.segmentation_samples("test", num))
    expected, actual, counts = [], [], []
    for sample in samples:  # one after the other: probabilities are large
        pair = pytorch(sample.image), onnx(sample.image)
        found = match(*pair)
        counts.append((found.matched, found.total))
        expected.append(pair[0].labels)
        actual.append(pair[1].labels)
    metrics = (digits.mean_intersection_over_union(side, samples) for side in (expected, actual))
    return _comparison(metrics, counts)


def _compare_boxes(pytorch: Detect, onnx: Detector, samples: Sequence[Any], metric: Callable[..., float]) -> Comparison:
    expected, actual = ([detect(sample.image) for sample in samples] for detect in (pytorch, onnx))
    found = [match(*pair, tolerances=Tolerances(box=BOX, score=SCORE)) for pair in zip(expected, actual)]
    metrics = (metric(list(map(by_class, one)), samples) for one in (expected, actual))
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
    """A (n, 5) array of (x1, y1, x2, y2, score) for each class, (n, 6) of (x, y, w, h, angle, score) if rotated."""
    return [found.dets[found.labels == label] for label in range(len(digits.CLASSES))]
