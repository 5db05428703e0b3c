"""How good the two digit models are on held-out images: PyTorch's own inference and an exported file, side by side."""

import contextlib
import importlib
import io
from typing import Callable, List, Tuple

import numpy as np

from mmonnx.datasets import digits
from mmonnx.runtimes.onnxruntime import Session
from mmonnx.threads import alone

Detect = Callable[[np.ndarray], List[np.ndarray]]
Classify = Callable[[np.ndarray], int]

HELD_OUT = 200
"""Images that the scores are taken on."""


def pytorch_detector(config: str, checkpoint: str) -> Detect:
    """mmdet's own inference: a BGR image (H, W, 3) to a (n, 5) array per class, in pixels of that image."""
    from mmdet.apis import inference_detector, init_detector

    with alone(), contextlib.redirect_stdout(io.StringIO()):  # mmcv prints where it loads from
        model = init_detector(config, checkpoint, device="cpu")
    return lambda image: inference_detector(model, image)


def onnx_detector(config: str, file: str) -> Detect:
    """The same from an exported file: the config's test pipeline, the file, and the boxes scaled back."""
    from mmdet.core import bbox2result

    load, session = _pipeline("mmdet", config, [dict(type="LoadImageFromWebcam")]), Session(file)

    def detect(image: np.ndarray) -> List[np.ndarray]:
        data = load(dict(img=image))
        found = session.run({"input": data["img"][0][None].numpy()})
        dets, labels = found["dets"][0], found["labels"][0]
        dets[:, :4] /= data["img_metas"][0].data["scale_factor"]
        return bbox2result(dets, labels, len(digits.CLASSES))

    return detect


def pytorch_classifier(config: str, checkpoint: str) -> Classify:
    """mmcls's own inference: a BGR image (H, W, 3) to its class."""
    from mmcls.apis import inference_model, init_model

    with alone(), contextlib.redirect_stdout(io.StringIO()):
        model = init_model(config, checkpoint, device="cpu")
    return lambda image: int(inference_model(model, image)["pred_label"])


def onnx_classifier(config: str, file: str) -> Classify:
    """The same from an exported file, behind the config's test pipeline."""
    load, session = _pipeline("mmcls", config, []), Session(file)
    return lambda image: int(session.run({"input": load(dict(img=image))["img"][None].numpy()})["probs"].argmax())


def mean_average_precision(*detectors: Detect, num: int = HELD_OUT) -> Tuple[float, ...]:
    """mAP@0.5 of each detector on the same held-out composites."""
    samples = list(digits.detection_samples("test", num))
    return tuple(
        digits.mean_average_precision([detect(sample.image) for sample in samples], samples) for detect in detectors
    )


def accuracy(*classifiers: Classify, num: int = HELD_OUT) -> Tuple[float, ...]:
    """The share of the same held-out crops that each classifier names rightly."""
    samples = list(digits.classification_samples("test", num))
    return tuple(
        sum(classify(sample.image) == sample.label for sample in samples) / len(samples) for classify in classifiers
    )


def _pipeline(package: str, config: str, first: List[dict]) -> Callable[..., dict]:
    """The config's test pipeline, with ``first`` in the place of its first step, which reads a file."""
    from mmcv import Config

    compose = importlib.import_module(f"{package}.datasets.pipelines").Compose
    return compose(first + Config.fromfile(config).data.test.pipeline[1:])
