"""Masks and probabilities of maps."""

import cv2
import numpy as np


def filled(mask: np.ndarray) -> np.ndarray:
    """A mask (H, W) bool without holes: what a flood from outside of the picture does not reach."""
    height, width = mask.shape
    canvas = np.zeros((height + 2, width + 2), np.uint8)
    canvas[1:-1, 1:-1] = mask
    cv2.floodFill(canvas, np.zeros((height + 4, width + 4), np.uint8), (0, 0), (1,))
    return np.asarray((canvas[1:-1, 1:-1] == 0) | mask)


def sigmoid(values: np.ndarray) -> np.ndarray:
    """The probabilities of logits, float32."""
    with np.errstate(over="ignore"):
        return (1 / (1 + np.exp(-values))).astype(np.float32)
