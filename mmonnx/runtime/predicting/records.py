"""What is written of a picture: one dict of JSON's values, of which all files of answers are made."""

from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from ...support import InputError
from ..editors import ImageEditor
from ..estimators import BottomUpPoseEstimator, PoseEstimator
from ..key_information import KeyInformationExtractor
from ..models import Classifier, Segmentor
from ..recognizers import Recognizer
from ..results import Detections, EditedImage, KeyInformation, LabelMap, Poses, Scores, Text, TextRegions
from ..rle import encode
from ..texts import TextDetector, TextRecognizer

_KINDS = {
    Classifier: "classes",
    Segmentor: "segments",
    PoseEstimator: "poses",
    BottomUpPoseEstimator: "poses",
    ImageEditor: "image",
    Recognizer: "classes",
    TextDetector: "texts",
    TextRecognizer: "text",
    KeyInformationExtractor: "fields",
}
_WITHOUT_NAMES = ("image", "texts", "text")
"""What has no classes in its answers."""

Record = Dict[str, Any]
Key = Tuple[str, Optional[int]]


def record_of(model: Any, key: Key, size: Tuple[int, int], found: Any, top: Optional[int] = None) -> Record:
    """A picture's answers.

    Args:
        model: what gave them, such as a ``Detector``.
        key: the file, and the number of a video's frame.
        size: (height, width) of the picture, in pixels.
        found: what the model gave.
        top: how many classes of a picture there are in it, the best ones; None for all.
    """
    record = {**_named(key), "height": int(size[0]), "width": int(size[1])}
    if isinstance(found, Scores):
        best = model.top(found, len(found.probs) if top is None else top)
        return {**record, "classes": [{"label": label, "name": name, "score": score} for label, name, score in best]}
    if isinstance(found, LabelMap):
        return {**record, "segments": [_segment(model, found.labels, int(one)) for one in np.unique(found.labels)]}
    if isinstance(found, Poses):
        return {**record, "poses": [_pose(model, found, index) for index in range(len(found.keypoints))]}
    if isinstance(found, EditedImage):
        height, width = found.values.shape[1:]
        return {**record, "image": {"height": height, "width": width, "channels": len(found.values)}}
    if isinstance(found, Text):
        return {**record, "text": {"characters": found.text, "scores": found.scores.tolist()}}
    if isinstance(found, TextRegions):
        pairs = zip(found.boundaries, found.scores.tolist())
        return {**record, "texts": [{"boundary": points.tolist(), "score": score} for points, score in pairs]}
    if isinstance(found, KeyInformation):
        links = [{"key": key, "value": value, "score": score} for key, value, score in found.pairs]
        return {**record, "fields": _fields(model, found), **({"links": links} if model.links else {})}
    return {**record, "detections": [_detection(model, found, index) for index in range(len(found.labels))]}


def failure_of(key: Key, reason: str) -> Record:
    """What is written of a picture without answers."""
    return {**_named(key), "error": reason}


def kind_of(model: Any) -> str:
    """Where a model's answers are in a record."""
    return _KINDS.get(type(model), "detections")


def key_of(record: Record) -> Key:
    """The file, and the number of a video's frame."""
    return record["file"], record.get("frame")


def name_of(record: Record) -> str:
    """One name for a picture, or a frame of a video."""
    path, frame = key_of(record)
    return path if frame is None else f"{path}#{frame}"


def check_same(record: Record, model: Any) -> None:
    """Refuse to go on behind the answers of another file.

    Raises:
        InputError: a class has another name in them, or they are of another task.
    """
    if "error" in record:
        return
    kind = kind_of(model)
    answers = () if kind in _WITHOUT_NAMES else record.get(kind, ())
    named = [point for one in answers for point in one.get("keypoints", [one])]
    if kind not in record or any(model.class_name(one["label"]) != one["name"] for one in named):
        raise InputError(
            f"the lines of {name_of(record)!r} are the answers of another file",
            "the file that wrote them",
            "give it, or another path to --jsonl",
        )


def _named(key: Key) -> Record:
    return {"file": key[0], **({} if key[1] is None else {"frame": key[1]})}


def _fields(model: Any, found: KeyInformation) -> List[Dict[str, Any]]:
    """The texts, each with its class."""
    scores, texts = found.nodes.max(1).tolist(), found.texts or ()
    boxes: List[Any] = [] if found.boxes is None else found.boxes.tolist()
    rows = zip(found.labels.tolist(), scores, texts, boxes)
    return [
        {"label": label, "name": model.class_name(label), "score": score, "text": text, "box": box}
        for label, score, text, box in rows
    ]


def _segment(model: Any, labels: np.ndarray, label: int) -> Dict[str, Any]:
    """The pixels of one class."""
    mask = labels == label
    return {"label": label, "name": model.class_name(label), "area": int(mask.sum()), "mask": encode(mask)}


def _pose(model: Any, found: Poses, index: int) -> Dict[str, Any]:
    points = [
        {"label": label, "name": model.class_name(label), "x": x, "y": y, "score": score}
        for label, (x, y, score) in enumerate(found.keypoints[index].tolist())
    ]
    box = {} if found.boxes is None else {"box": found.boxes[index].tolist()}
    score = {} if found.scores is None else {"score": float(found.scores[index])}
    return {**box, **score, "keypoints": points}


def _detection(model: Any, found: Detections, index: int) -> Dict[str, Any]:
    label = int(found.labels[index])
    entry: Dict[str, Any] = {"label": label, "name": model.class_name(label)}
    entry.update(box=found.boxes[index].tolist(), score=float(found.scores[index]))
    if found.masks is not None:
        entry["mask"] = encode(found.masks[index])
    return entry
