"""What is written: characters of scores, step by step, or of maps, as mmocr's label convertors read them."""

import math
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

import cv2
import numpy as np

from ..results import Text

CHAR_SCORES, CHAR_MAPS = "char_scores", "char_maps"
VALID_WIDTH = "valid_width"
"""(N,) int64, an input: how wide each picture is in the network's input, in pixels; what is right of it is padding."""
_LEAST_AREA = 20
"""Of a character in a map, in its pixels."""
How = Mapping[str, Any]


def read_text(values: np.ndarray, texts: How, characters: Sequence[str], share: float = 1.0) -> Text:
    """The text of one image.

    Args:
        values: (T, C) scores, or (C, h, w) maps.
        texts: how it is read, see ``runtime.texts``.
        characters: of each class.
        share: which part of the network's input is picture, from its left border.
    """
    return READERS[texts["how"]](values, texts, characters, share)


def steps_of(values: np.ndarray, texts: How) -> int:
    """How many of the steps of scores (T, C) are read: up to and with the one that ends the text."""
    if texts["how"] != "attention":
        return len(values)
    ends = np.flatnonzero(values.argmax(1) == texts["end"])
    return int(ends[0]) + 1 if len(ends) else len(values)


def _of_ctc(values: np.ndarray, texts: How, characters: Sequence[str], share: float) -> Text:
    steps = values[: math.ceil(len(values) * share)]
    best, blank = steps.argmax(1), texts["blank"]
    before = np.concatenate([[blank], best[:-1]])
    places = np.flatnonzero((best != blank) & (best != before))
    return _text(steps, places, best, characters, len(steps))


def _of_attention(values: np.ndarray, texts: How, characters: Sequence[str], share: float) -> Text:
    best, count = values.argmax(1), steps_of(values, texts)
    places = np.flatnonzero((best[:count] != texts["padding"]) & (best[:count] != texts["end"]))
    return _text(values, places, best, characters, count)


def _text(values: np.ndarray, places: np.ndarray, best: np.ndarray, characters: Sequence[str], count: int) -> Text:
    found = "".join(characters[label] for label in best[places].tolist())
    return Text(found, values[places, best[places]].astype(np.float32), values[:count])


def _of_segments(values: np.ndarray, texts: How, characters: Sequence[str], share: float) -> Text:
    labels = values[:, :, : int(values.shape[2] * share + 1)].argmax(0).astype(np.int32)
    count, regions, _, centres = cv2.connectedComponentsWithStats(np.where(labels == 0, 0, 255).astype(np.uint8))
    found: List[Tuple[float, int, int, float]] = []
    for region in range(count):
        sizes = np.bincount(labels[regions == region], minlength=1)
        best = int(sizes.argmax())
        if best:
            found.append((float(centres[region][0]), best, int(sizes[best]), float(sizes[best] / sizes.sum())))
    found.sort(key=lambda one: one[0])
    kept = [one for one in found if one[2] >= _LEAST_AREA]
    names = ["" if one[1] == texts.get("unknown") or one[1] >= len(characters) else characters[one[1]] for one in kept]
    return Text("".join(names), np.array([one[3] for one in kept], np.float32))


READERS: Dict[str, Callable[[np.ndarray, How, Sequence[str], float], Text]] = {
    "ctc": _of_ctc,
    "attention": _of_attention,
    "segments": _of_segments,
}
