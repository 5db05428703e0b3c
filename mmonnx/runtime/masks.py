"""Masks at the size of the picture."""

from typing import Tuple

import cv2
import numpy as np

Size = Tuple[int, int]


def paste(masks: np.ndarray, boxes: np.ndarray, size: Size, threshold: float) -> np.ndarray:
    """Sample each mask of the head over its box, as mmdet's ``_do_paste_mask`` does.

    Args:
        masks: (n, h, w) probabilities.
        boxes: (n, 4) ``(x1, y1, x2, y2)`` in pixels of the picture.
        size: (height, width) of the picture.
        threshold: the probability from which on a pixel is the mask's.

    Returns:
        (n, height, width) bool.
    """
    pasted = np.zeros((len(masks), *size), bool)
    for mask, box, whole in zip(masks.astype(np.float32), boxes.astype(np.float32), pasted):
        left, top = np.maximum(np.floor(box[:2]) - 1, 0).astype(int)
        right, bottom = np.minimum(np.ceil(box[2:]) + 1, (size[1], size[0])).astype(int)
        if right > left and bottom > top:
            down = _weights(box[1], box[3], top, bottom, mask.shape[0])
            across = _weights(box[0], box[2], left, right, mask.shape[1])
            whole[top:bottom, left:right] = down @ mask @ across.T >= threshold
    return pasted


def _weights(low: np.float32, high: np.float32, start: int, stop: int, cells: int) -> np.ndarray:
    """(stop - start, cells): the share of each cell of the mask in each pixel along one axis."""
    pixel = np.arange(start, stop, dtype=np.float32) + np.float32(0.5)
    extent = high - low
    # upstream puts a box without extent, whose division gives infinity, at the mask's center
    place = (pixel - low) / extent * 2 - 1 if extent > 0 else np.zeros_like(pixel)
    place = ((place + 1) * cells - 1) / 2
    return np.maximum(1 - np.abs(place[:, None] - np.arange(cells, dtype=np.float32)), 0)


def resize(masks: np.ndarray, shape: Size, size: Size) -> np.ndarray:
    """Bring pasted masks to the size of the picture.

    Args:
        masks: (n, H, W) bool at the size of the network's input.
        shape: (height, width) of the picture's part of it.
        size: (height, width) of the picture.

    Returns:
        (n, height, width) bool.
    """
    resized = np.zeros((len(masks), *size), bool)
    for mask, whole in zip(masks, resized):
        part = mask[: shape[0], : shape[1]].astype(np.float32)
        whole[:] = cv2.resize(part, (size[1], size[0]), interpolation=cv2.INTER_LINEAR) >= 0.5
    return resized
