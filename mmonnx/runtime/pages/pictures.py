"""The pictures of a page, inside the page."""

import base64
import os
from dataclasses import dataclass
from typing import List, Sequence, Tuple
from xml.etree.ElementTree import Element

import cv2
import numpy as np

from ...support import InputError
from .. import BottomUpPoseEstimator, Classifier, ImageEditor, PoseEstimator, Segmentor, open_model, read_image
from ..drawing import viewable
from ..images import find_sources, is_video
from ..key_information import KeyInformationExtractor
from ..recognizers import Recognizer
from ..texts import TextDetector, TextRecognizer
from .tags import tag

_MAX_SIDE = 1280
_QUALITY = 88


@dataclass(frozen=True)
class Picture:
    """A picture under a heading.

    Attributes:
        caption: what it shows.
        image: BGR uint8 (H, W, 3).
    """

    caption: str
    image: np.ndarray


def drawn(file: str, names: Sequence[str], device: str = "cpu") -> List[Picture]:
    """Images with what a file finds in them, as ``mmonnx predict`` draws them.

    Args:
        file: the ONNX file, with mmonnx's metadata.
        names: images, folders and patterns.
        device: see ``mmonnx.runtime``.

    Raises:
        InputError: the file does not describe itself, or an image cannot be read.
    """
    model, found = open_model(file, device), []
    if isinstance(model, Recognizer):
        raise InputError(f"'{file}' takes films, and no pictures", "a file that takes pictures", "use mmonnx predict")
    for name in _images(names):
        image = model.read(name)
        if isinstance(model, Classifier):
            scores = model(image)
            ((_, best, score),) = model.top(scores, 1)
            what, canvas = f"{best} {score:.3f}", model.draw(image, scores)
        elif isinstance(model, Segmentor):
            labels = model(image)
            what, canvas = f"{len(np.unique(labels.labels))} classes", model.draw(image, labels)
        elif isinstance(model, (BottomUpPoseEstimator, PoseEstimator)):
            poses = model(image)
            what, canvas = (
                f"{len(poses.keypoints)} of {poses.keypoints.shape[1]} key points each",
                model.draw(image, poses),
            )
        elif isinstance(model, ImageEditor):
            made = model(image)
            what, canvas = f"{made.values.shape[2]}x{made.values.shape[1]}", viewable(made.pixels)
        elif isinstance(model, TextRecognizer):
            read = model(image)
            what, canvas = f"'{read.text}'", model.draw(image, read)
        elif isinstance(model, TextDetector):
            regions = model(image)
            what, canvas = f"{len(regions.boundaries)} texts", model.draw(image, regions)
        elif isinstance(model, KeyInformationExtractor):
            fields = model(image)  # says that it takes the picture's texts
            what, canvas = f"{len(fields.nodes)} texts", model.draw(image, fields)
        else:
            answer = model(image)
            good = int((answer.scores >= 0.3).sum())
            what, canvas = f"{good} of {len(answer.labels)} detections have 0.3 or more", model.draw(image, answer)
        found.append(Picture(f"{os.path.basename(name)}: {what}", canvas))
    return found


def shown(folder: str) -> List[Picture]:
    """The pictures that ``mmonnx export --verify --show-dir`` left in a folder.

    Raises:
        InputError: there are none, or one cannot be read.
    """
    return [Picture(os.path.splitext(os.path.basename(name))[0], read_image(name)) for name in _images([folder])]


def _images(names: Sequence[str]) -> List[str]:
    found = [name for name in find_sources(names) if not is_video(name)]
    if not found:
        raise InputError(f"{names[0]!r} holds no image", "images, no videos", "give another path")
    return found


def gallery(pictures: Sequence[Picture]) -> Element:
    """The pictures side by side as far as there is room."""
    figures = []
    for picture in pictures:
        image = tag("img", src=_uri(picture.image), alt=picture.caption, loading="lazy")
        figures.append(tag("figure", image, tag("figcaption", picture.caption)))
    return tag("div", *figures, class_="pictures")


def _uri(image: np.ndarray) -> str:
    """A picture as JPEG of at most 1280 pixels a side, in the form of an address."""
    height, width = _fitted((image.shape[0], image.shape[1]))
    if (height, width) != image.shape[:2]:
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise OSError("OpenCV cannot encode a picture as JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def _fitted(size: Tuple[int, int]) -> Tuple[int, int]:
    factor = min(1.0, _MAX_SIDE / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
