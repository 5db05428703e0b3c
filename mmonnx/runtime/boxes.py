"""Boxes of the network's input in pixels of the picture that is in it."""

from typing import Tuple

import numpy as np

LIMITS = ("image", "origin", "none")
"""What upstream lets boxes reach: the image without its padding, anything right of and below its corner, anything."""


def in_picture(
    boxes: np.ndarray,
    limits: str,
    shape: Tuple[int, int],
    scale: np.ndarray,
    offset: Tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """Boxes (n, 4) of the input in the picture's pixels, as far inside of it as upstream has them.

    Args:
        boxes: x1, y1, x2, y2 in pixels of the input.
        limits: of ``LIMITS``.
        shape: (height, width) of the picture's part of the input; the rest is padding.
        scale: (4,) how many times as large the picture is in the input.
        offset: (left, top) of that part.
    """
    boxes = boxes - np.asarray(offset * 2, np.float32)
    if limits == "origin":
        boxes = np.maximum(boxes, 0)
    elif limits == "image":  # where the file does not know where the padding begins, boxes may reach into it
        boxes = np.clip(boxes, 0, np.asarray(shape[::-1] * 2, np.float32))
    return boxes / np.asarray(scale, np.float32)
