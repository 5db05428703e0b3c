"""Parts of pictures that a pose estimator gets, and the way back: by mmpose's own arithmetic."""

from typing import Any, Dict, NamedTuple, Tuple

import cv2
import numpy as np

Step = Dict[str, Any]
Size = Tuple[int, int]


class Crop(NamedTuple):
    """The part of a picture that a ``person`` step cut out.

    Attributes:
        centre: (2,) float32 (x, y), in pixels.
        scale: (2,) float32 width and height, in units of 200 pixels.
        udp: whether the first and the last pixels of the input lie on its border.
        box: (4,) float32 (x1, y1, x2, y2) of what it was made for, in pixels.
    """

    centre: np.ndarray
    scale: np.ndarray
    udp: bool
    box: np.ndarray

    def in_picture(self, places: np.ndarray, size: Size) -> np.ndarray:
        """Places (..., 2) in pixels of the input, of (height, width), in pixels of the picture."""
        whole = self.scale * np.float32(200.0)
        across = np.array(size[::-1], np.float32) - (1 if self.udp else 0)
        return places * (whole / across) + self.centre - whole * np.float32(0.5)


def person(image: np.ndarray, step: Step, box: np.ndarray) -> Tuple[np.ndarray, Crop]:
    """What a box has in it, of the step's size, and where that was; by mmpose's own arithmetic.

    Args:
        image: (H, W) or (H, W, C).
        step: of the type ``person``.
        box: (left, top, width, height), in pixels.
    """
    (height, width), udp = step["size"], step["udp"]
    left, top, across, down = box[:4]
    corners = np.array([left, top, left + across, top + down], np.float32)
    centre, aspect = np.array([left + across * 0.5, top + down * 0.5], np.float32), width / height
    if across > aspect * down:
        down = across * 1.0 / aspect
    elif across < aspect * down:
        across = down * aspect
    scale = np.array([across, down], np.float32) / 200.0 * step["padding"]
    matrix = (_onto_pixels if udp else _onto_sides)(centre, scale, (width, height))
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR), Crop(centre, scale, udp, corners)


def aligned(image: np.ndarray, step: Step) -> Tuple[np.ndarray, Crop]:
    """All of a picture in the step's size, and where that was, by mmpose's own arithmetic.

    Args:
        image: (H, W) or (H, W, C).
        step: of the type ``align``; ``fixed`` has the picture in the middle of its ``size``.
    """
    (height, width), udp = image.shape[:2], step["udp"]
    size, less = aligned_size(step, (height, width)), 1.0 if udp else 0.0
    across, down = (side - less for side in size[::-1])
    if (width < height and not step.get("fixed")) or (width - less) * down > (height - less) * across:
        extent = np.array([width - less, down / across * (width - less)])
    else:
        extent = np.array([across / down * (height - less), height - less])
    scale = extent / 200.0
    if udp:
        centre = extent / 2.0
        matrix = _onto_pixels(centre.astype(np.float32), scale.astype(np.float32), size[::-1])
    else:
        centre = np.array([round(width / 2.0), round(height / 2.0)])
        matrix = _onto_sides(centre, scale, size[::-1])
    box = np.array([0, 0, width, height], np.float32)
    return cv2.warpAffine(image, matrix, size[::-1], flags=cv2.INTER_LINEAR), Crop(centre, scale, udp, box)


def aligned_size(step: Step, size: Size) -> Size:
    """(height, width) that an aligning step makes of an image of ``size``."""
    if step.get("fixed"):
        return step["size"][0], step["size"][1]
    height, width = size
    base = step["base"]
    short_height, short_width = (-(-side // base) * base for side in step["size"])
    if width < height:
        return int(np.ceil(short_width / width * height / base)) * base, short_width
    return short_height, int(np.ceil(short_height / height * width / base)) * base


def _onto_pixels(centre: np.ndarray, scale: np.ndarray, size: Tuple[int, int]) -> np.ndarray:
    """The matrix (2, 3) of a warp that has the border of a crop on the first and the last pixels."""
    whole = scale * 200.0
    matrix = np.zeros((2, 3), np.float32)
    for axis in (0, 1):
        factor = (size[axis] - 1.0) / whole[axis]
        matrix[axis, axis] = factor
        matrix[axis, 2] = factor * (-0.5 * (centre[axis] * 2.0) + 0.5 * whole[axis])
    return matrix


def _onto_sides(centre: np.ndarray, scale: np.ndarray, size: Tuple[int, int]) -> np.ndarray:
    """The matrix (2, 3) of a warp that has the middle in the middle, and the crop's width across."""
    whole = scale * 200.0
    up, middle = np.array([0.0, whole[0] * -0.5]), np.array([size[0] * 0.5, size[1] * 0.5])
    ends = []
    for start, end in ((centre, centre + up), (middle, middle + np.array([0.0, size[0] * -0.5]))):
        start, end = np.asarray(start, np.float32), np.asarray(end, np.float32)
        away = start - end
        ends.append(np.array([start, end, end + np.array([-away[1], away[0]], np.float32)], np.float32))
    return cv2.getAffineTransform(*ends)
