"""COCO's compressed run-length encoding of masks, for those who have no pycocotools."""

from typing import Any, Dict, List

import numpy as np


def encode(mask: np.ndarray) -> Dict[str, Any]:
    """A mask (H, W) bool as COCO's ``segmentation``: the runs of its columns, in six bits a character."""
    flat = np.asarray(mask, bool).flatten(order="F")
    places = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], places, [flat.size]])).tolist()
    runs = [0, *runs] if flat.size and flat[0] else runs  # the first run is of zeros
    text = []
    for index, run in enumerate(runs):
        value = run - runs[index - 2] if index > 2 else run  # differences are smaller
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != -1 if bits & 0x10 else value != 0
            text.append(chr((bits | 0x20 if more else bits) + 48))
    return {"size": [int(side) for side in mask.shape], "counts": "".join(text)}


def area(encoded: Dict[str, Any]) -> int:
    """The pixels of a mask that ``encode`` made a text of."""
    runs: List[int] = []
    value = shift = 0
    for character in encoded["counts"]:
        bits = ord(character) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            value -= (bits & 0x10) << (shift - 4)  # the last bits have the sign
            runs.append(value + runs[-2] if len(runs) > 2 else value)
            value = shift = 0
    return sum(runs[1::2])
