"""What is written of a picture: one dict of JSON's values, of which all files of answers are made."""

from typing import Any, Dict, Optional, Tuple

import numpy as np

from ...support import InputError
from ..editors import ImageEditor
from ..models import Classifier, Segmentor
from ..results import Detections, EditedImage, LabelMap, Scores
from ..rle import encode

Record = Dict[str, Any]
Key = Tuple[str, Optional[int]]


def record_of(model: Any, key: Key, size: Tuple[int, int], found: Any) -> Record:
    """A picture's answers.

    Args:
        model: the ``Detector``, ``Segmentor``, ``ImageEditor`` or ``Classifier`` that gave them.
        key: the file, and the number of a video's frame.
        size: (height, width) of the picture, in pixels.
        found: what the model gave.
    """
    record = {**_named(key), "height": int(size[0]), "width": int(size[1])}
    if isinstance(found, Scores):
        best = model.top(found, len(found.probs))
        return {**record, "classes": [{"label": label, "name": name, "score": score} for label, name, score in best]}
    if isinstance(found, LabelMap):
        return {**record, "segments": [_segment(model, found.labels, int(one)) for one in np.unique(found.labels)]}
    if isinstance(found, EditedImage):
        height, width = found.values.shape[1:]
        return {**record, "image": {"height": height, "width": width, "channels": len(found.values)}}
    return {**record, "detections": [_detection(model, found, index) for index in range(len(found.labels))]}


def failure_of(key: Key, reason: str) -> Record:
    """What is written of a picture without answers."""
    return {**_named(key), "error": reason}


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
    kinds = {Classifier: "classes", Segmentor: "segments", ImageEditor: "image"}
    kind = kinds.get(type(model), "detections")
    named = record.get(kind, ()) if kind != "image" else ()
    if kind not in record or any(model.class_name(one["label"]) != one["name"] for one in named):
        raise InputError(
            f"the lines of {name_of(record)!r} are the answers of another file",
            "the file that wrote them",
            "give it, or another path to --jsonl",
        )


def _named(key: Key) -> Record:
    return {"file": key[0], **({} if key[1] is None else {"frame": key[1]})}


def _segment(model: Any, labels: np.ndarray, label: int) -> Dict[str, Any]:
    """The pixels of one class."""
    mask = labels == label
    return {"label": label, "name": model.class_name(label), "area": int(mask.sum()), "mask": encode(mask)}


def _detection(model: Any, found: Detections, index: int) -> Dict[str, Any]:
    label = int(found.labels[index])
    entry: Dict[str, Any] = {"label": label, "name": model.class_name(label)}
    entry.update(box=found.dets[index, :4].tolist(), score=float(found.dets[index, 4]))
    if found.masks is not None:
        entry["mask"] = encode(found.masks[index])
    return entry
