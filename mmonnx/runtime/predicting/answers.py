"""The files of answers that appear whole in the end: JSON, and COCO's format."""

import json
from pathlib import Path
from typing import Any, Dict, List, Sequence, TextIO

import numpy as np

from ..boxes import corners
from ..results import is_rotated
from ..rle import area
from .records import Record, name_of


class JsonFile:
    """A list with an entry a picture; written as they come, so that a million take no more memory than one."""

    _start = "["

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0

    def __enter__(self) -> "JsonFile":
        self._file: TextIO = open(str(self._path), "w", encoding="utf-8")
        self._file.write(self._start)
        return self

    def add(self, record: Record, text: str) -> None:
        """Append one picture.

        Args:
            record: see ``records``.
            text: the same as JSON.
        """
        self._write(text)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        with self._file:
            if kind is None:
                self._file.write(self._end())

    def _write(self, text: str) -> None:
        self._file.write((",\n" if self._count else "\n") + text)
        self._count += 1

    def _end(self) -> str:
        return "\n]\n"


class CocoFile(JsonFile):
    """Detections as pycocotools loads them; pictures that could not be read are beside them, in ``errors``.

    Args:
        path: the file.
        classes: the names of the model's classes.
    """

    _start = '{"annotations": ['

    def __init__(self, path: Path, classes: Sequence[str]) -> None:
        super().__init__(path)
        self._classes = classes
        self._images: List[Dict[str, Any]] = []
        self._errors: List[Dict[str, str]] = []

    def add(self, record: Record, text: str) -> None:
        """Append one picture; arguments are as ``JsonFile`` has them."""
        name = name_of(record)
        if "error" in record:
            self._errors.append({"file_name": name, "error": record["error"]})
            return
        number = len(self._images) + 1
        size = {side: record[side] for side in ("height", "width")}
        self._images.append({"id": number, "file_name": name, **size})
        for found in record["detections"]:
            self._write(json.dumps({"id": self._count + 1, "image_id": number, **_annotation(found)}))

    def _end(self) -> str:
        names = [{"id": index + 1, "name": name} for index, name in enumerate(self._classes)]
        rest: Dict[str, Any] = {"images": self._images, "categories": names}
        if self._errors:
            rest["errors"] = self._errors
        return f"], {json.dumps(rest)[1:]}\n"


def _annotation(found: Dict[str, Any]) -> Dict[str, Any]:
    entry = {"category_id": found["label"] + 1, **_place(found["box"]), "score": found["score"], "iscrowd": 0}
    if "mask" in found:
        entry.update(segmentation=found["mask"], area=area(found["mask"]))
    return entry


def _place(box: List[float]) -> Dict[str, Any]:
    """Where a detection is: a rotated one is a polygon, as COCO has no other word for it, in an upright box."""
    if not is_rotated(len(box)):
        x1, y1, x2, y2 = box
        return {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
    (outline,) = corners(np.array([box]))
    (left, top), (right, bottom) = outline.min(0).tolist(), outline.max(0).tolist()
    upright = [left, top, right - left, bottom - top]
    return {"bbox": upright, "area": box[2] * box[3], "segmentation": [outline.reshape(-1).tolist()]}
