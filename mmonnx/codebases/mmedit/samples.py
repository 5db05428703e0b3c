"""Masks and trimaps for sample inputs: drawn, the same every time, another one for each picture of a batch."""

from typing import Tuple

import cv2
import numpy as np

Shape = Tuple[int, int]


def mask(number: int, shape: Shape) -> np.ndarray:
    """(H, W) uint8, 1 in a rectangle, and along a stroke that reaches the border."""
    height, width = shape
    drawn = np.zeros(shape, np.uint8)
    top, left = height * (2 + number % 3) // 8, width * (1 + number % 4) // 8
    drawn[top : top + max(height * 3 // 8, 1), left : left + max(width * 3 // 8, 1)] = 1
    line = max(min(shape) // 12, 1)
    cv2.line(drawn, (0, height * 7 // 8), (width * (1 + number % 2) // 2, height // 8), (1,), line)
    return drawn


def trimap(number: int, shape: Shape) -> np.ndarray:
    """(H, W) uint8, 255 in an ellipse, 128 around it, 0 elsewhere."""
    height, width = shape
    drawn = np.zeros(shape, np.uint8)
    centre = width * (3 + number % 3) // 8, height // 2
    for share, value in ((3, 128), (6, 255)):
        cv2.ellipse(drawn, centre, (max(width // share, 1), max(height // share, 1)), 0, 0, 360, (value,), -1)
    return drawn
