"""Boxes of the network's input in pixels of the picture that is in it, and corners of rotated ones."""

from typing import Tuple

import numpy as np

from .results import is_rotated

LIMITS = ("image", "origin", "none")
"""What upstream lets boxes reach: the image without its padding, anything right of and below its corner, anything."""


def in_picture(
    boxes: np.ndarray,
    limits: str,
    shape: Tuple[int, int],
    scale: np.ndarray,
    offset: Tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """Boxes of the input in the picture's pixels, as far inside of it as upstream has them.

    Args:
        boxes: (n, 4) x1, y1, x2, y2 in pixels of the input; or (n, 5) centre, width, height and angle of rotated ones,
            of which the centre alone is kept inside.
        limits: of ``LIMITS``.
        shape: (height, width) of the picture's part of the input; the rest is padding.
        scale: (4,) how many times as large the picture is in the input.
        offset: (left, top) of that part.
    """
    if is_rotated(boxes.shape[1]):
        places: np.ndarray = boxes[:, :2] - np.asarray(offset, np.float32)
        if limits == "image":
            places = np.clip(places, 0, np.asarray(shape[::-1], np.float32) - 1)
        sides = np.concatenate([places, boxes[:, 2:4]], 1) / np.asarray(scale, np.float32)
        return np.concatenate([sides, boxes[:, 4:]], 1)
    boxes = boxes - np.asarray(offset * 2, np.float32)
    if limits == "origin":
        boxes = np.maximum(boxes, 0)
    elif limits == "image":  # where the file does not know where the padding begins, boxes may reach into it
        boxes = np.clip(boxes, 0, np.asarray(shape[::-1] * 2, np.float32))
    return boxes / np.asarray(scale, np.float32)


def corners(boxes: np.ndarray) -> np.ndarray:
    """The corners (n, 4, 2) of rotated boxes (n, 5), in turn: of one that is not turned, from the upper left one."""
    cos, sin = np.cos(boxes[:, 4]), np.sin(boxes[:, 4])
    along = np.stack([cos, sin], 1) * boxes[:, 2:3] / 2
    across = np.stack([-sin, cos], 1) * boxes[:, 3:4] / 2
    ways = (-along - across, along - across, along + across, across - along)
    return np.stack([boxes[:, :2] + way for way in ways], 1)
