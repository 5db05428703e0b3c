"""Export, verify and draw the digit models, and compare their scores with PyTorch's: all of it in work_dirs/demo/.

    python tools/demo.py [--out DIR]

They are a Faster R-CNN, a MobileNetV2, a Semantic FPN (where mmseg is installed) and a Rotated FCOS (mmrotate) with
OpenMMLab 1.x, and an RTMDet with 2.x.
Exit status 0 if all files agree with PyTorch on every case, have its scores, and give its answers on every picture.
"""

import argparse
import contextlib
import importlib.util
import os
import sys
import warnings
from pathlib import Path
from typing import Any, Callable, List, NamedTuple, Optional, TextIO, Tuple

import cv2

from mmonnx import cli, fallback
from mmonnx.datasets import digits, scores
from mmonnx.environment import compat
from mmonnx.runtime import Classifier, Detector, Segmentor
from mmonnx.support.atomic import replacing
from mmonnx.support.errors import MmonnxError
from mmonnx.support.resources import config_root
from mmonnx.support.shell import command_line, path_word

CONFIGS = config_root() / "digits"
SCORE_TOLERANCE = 1e-3


class Model(NamedTuple):
    """One digit model: its files' stem, the picture it is verified on, its input size, how its answers are compared.

    ``package`` is the toolbox that it needs, beside mmdet and mmcls.
    """

    stem: str
    picture: Callable[[], Any]
    shape: Tuple[str, str]
    metric: str
    answers: str
    compare: Callable[..., scores.Comparison]
    pytorch: Callable[[str, str], Any]
    onnx: Callable[[str], Any]
    package: str = "mmdet"


class Tee:
    """Writes to a terminal and to a file; not a terminal itself, so that the file gets plain lines."""

    def __init__(self, *streams: TextIO) -> None:
        self.streams = streams

    def write(self, text: str) -> int:
        for stream in self.streams:
            stream.write(text)
        return len(text)

    def flush(self) -> None:
        for stream in self.streams:
            stream.flush()

    def isatty(self) -> bool:
        return False


def crowded_composite() -> Any:
    """The held-out composite with the most digits among the first fifty."""
    return max(digits.detection_samples("test", 50), key=lambda sample: len(sample.labels)).image


def crowded_turned_composite() -> Any:
    """The same of turned digits."""
    return max(digits.rotated_samples("test", 50), key=lambda sample: len(sample.labels)).image


def first_crop() -> Any:
    """The first held-out crop."""
    return next(digits.classification_samples("test", 1)).image


def detector(stem: str) -> Model:
    """A digit detector."""
    answers = f"detections (same class, box within {scores.BOX} px, score within {scores.SCORE})"
    compared = (scores.compare_detectors, scores.pytorch_detector, Detector)
    return Model(stem, crowded_composite, ("320", "320"), "mAP@0.5", answers, *compared)


OF_FIRST = (
    detector("faster_rcnn_digits"),
    Model(
        "mobilenet_v2_digits",
        first_crop,
        ("64", "64"),
        "accuracy",
        f"classes (the same, score within {scores.SCORE})",
        scores.compare_classifiers,
        scores.pytorch_classifier,
        Classifier,
    ),
    Model(
        "semantic_fpn_digits",
        crowded_composite,
        ("320", "320"),
        "mIoU",
        "pixels (the same class, ties excepted)",
        scores.compare_segmentors,
        scores.pytorch_segmentor,
        Segmentor,
        "mmseg",
    ),
    Model(
        "rotated_fcos_digits",
        crowded_turned_composite,
        ("320", "320"),
        "mAP@0.5",
        f"rotated detections (same class, box within {scores.BOX} px, score within {scores.SCORE})",
        scores.compare_rotated_detectors,
        scores.pytorch_rotated_detector,
        Detector,
        "mmrotate",
    ),
)
OF_SECOND = (detector("rtmdet_tiny_digits"),)


def main(argv: Optional[List[str]] = None) -> int:
    """Run the demo; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("work_dirs/demo"), help="folder (default: %(default)s)")
    out = parser.parse_args(argv).out
    warnings.simplefilter("ignore")
    try:
        with contextlib.ExitStack() as stack:
            report = stack.enter_context(replacing(out / "report.txt"))
            file = stack.enter_context(report.open("w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(Tee(sys.stdout, file)))  # type: ignore[type-var]
            good = [run(model, out) for model in (OF_SECOND if compat.is_second_generation() else OF_FIRST)]
    except MmonnxError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.status
    print(f"files, pictures and this report: {out}")
    return 0 if all(good) else 1


def run(model: Model, out: Path) -> bool:
    """Export, verify, draw and score one model; whether all of it held, or its toolbox is not installed."""
    if importlib.util.find_spec(model.package) is None:
        print(f"{model.stem} is left out: {model.package} is not installed\n")
        return True
    config, checkpoint = (os.path.relpath(str(CONFIGS / model.stem)) + suffix for suffix in (".py", ".pth"))
    file, picture = out / f"{model.stem}.onnx", out / f"{model.stem}.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(picture), model.picture())
    arguments = [
        config,
        checkpoint,
        "--output-file",
        path_word(str(file)),
        "--simplify",
        "--dynamic-export",
        "--verify",
    ]
    arguments += ["--shape", *model.shape, "--test-img", path_word(str(picture))]
    arguments += ["--show-dir", path_word(str(out / model.stem))]
    if not compat.reads_weights_alone():
        arguments.append("--trust-checkpoint")
    print("$ " + command_line("mmonnx", "export", *arguments), flush=True)
    if cli.main(["export", *arguments]) != 0:
        return False
    fallback.ensure()
    found = model.compare(model.pytorch(config, checkpoint), model.onnx(str(file)))
    same = abs(found.pytorch - found.onnx) <= SCORE_TOLERANCE
    verdict = "the same" if same else "NOT the same"
    print(
        f"{model.metric} on {found.pictures} held-out images: PyTorch {found.pytorch:.4f}, ONNX {found.onnx:.4f}: "
        f"{verdict}"
    )
    print(
        f"answers to {found.alike} of {found.pictures} pictures are PyTorch's: {found.matched} of {found.total} "
        f"{model.answers} matched one to one\n"
    )
    return same and found.alike == found.pictures


if __name__ == "__main__":
    sys.exit(main())
