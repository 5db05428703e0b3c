"""Boxes that a detector's answers have, for pose estimators."""

import json
from typing import Any, Dict, List, Optional

import numpy as np

from ...support import InputError
from .records import Key, key_of


class Boxes:
    """The boxes of pictures, out of what ``mmonnx predict DETECTOR --json FILE`` has written.

    Args:
        path: the file, or the lines of ``--jsonl``.
        score_thr: the score from which on a detection counts.
        name: of the class that counts; None for all.

    Raises:
        InputError: it cannot be read, or has no detections.
    """

    def __init__(self, path: str, score_thr: float, name: Optional[str] = None) -> None:
        self._path, self._score_thr, self._name = path, score_thr, name
        try:
            self._found: Dict[Key, Any] = {key_of(record): record["detections"] for record in _read(path)}
            self._names = {str(one["name"]) for found in self._found.values() for one in found}
        except OSError as error:
            raise InputError(
                f"--boxes {path!r} cannot be read ({error.strerror})", "a file", "check the path"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"--boxes {path!r} has no detections",
                "what mmonnx predict DETECTOR --json FILE writes",
                "give that file",
            ) from error
        if name is not None and name not in self._names:
            known = ", ".join(sorted(self._names)[:5]) or "nothing"
            raise InputError(
                f"--box-class {name!r} is in no line of {path!r}", f"one of {known}, ...", "check the name"
            )

    def of(self, key: Key) -> np.ndarray:
        """(n, 4) float32 (x1, y1, x2, y2) of a picture, or of a frame of a video.

        Raises:
            InputError: the file has no line of it.
        """
        if key not in self._found:
            name = key[0] if key[1] is None else f"frame {key[1]} of {key[0]}"
            raise InputError(
                f"--boxes {self._path!r} has nothing of {name!r}",
                "the answers of a detector on the same pictures, by the same names",
                "run the detector on it",
            )
        kept: List[Any] = [
            one["box"]
            for one in self._found[key]
            if one["score"] >= self._score_thr and self._name in (None, one["name"])
        ]
        return np.array(kept, np.float32).reshape(-1, 4)


def _read(path: str) -> List[Any]:
    with open(path, encoding="utf-8") as file:
        text = file.read()
    found = json.loads(text) if text.lstrip().startswith("[") else [json.loads(line) for line in text.splitlines()]
    return [record for record in found if "error" not in record]
