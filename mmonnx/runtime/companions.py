"""Pictures that a network takes beside the one that it edits: a mask of what to fill in, a trimap, a reference.

A companion is a dict that JSON holds, for an input's name:

- ``of``: what the user gives: ``input`` for the picture itself, else the name of a further one, such as ``mask``;
- ``read``: one of ``KINDS``;
- ``steps``: its own pipeline, see ``runtime.pipeline``.
"""

from typing import Any, Callable, Dict, List, Mapping

import cv2
import numpy as np

from ..support import InputError
from . import pipeline
from .images import check_array, read_picture

Companion = Mapping[str, Any]

KINDS = ("mask", "trimap", "picture", "width")
"""A mask is (H, W) of 1 where the first channel is not 0; a trimap is grey, 0 where nothing and 255 where all is.
A width is how much of the network's input is the picture, from its left, in pixels."""
_COLORS = {"mask": "unchanged", "trimap": "grayscale", "picture": "color"}


def given_names(companions: Mapping[str, Companion]) -> List[str]:
    """What a user has to give beside the picture itself."""
    return sorted({str(one["of"]) for one in companions.values()} - {"input"})


def read(picture: Any, kind: str) -> np.ndarray:
    """A companion as it is read.

    Args:
        picture: an image file, or (H, W) or (H, W, 3) uint8.
        kind: of ``KINDS``.

    Returns:
        (H, W) float32 of a mask, (H, W) uint8 of a trimap, (H, W, 3) BGR uint8 of a picture.

    Raises:
        InputError: it cannot be read.
    """
    if isinstance(picture, np.ndarray):
        image = check_array(picture, f"the {kind}")
    else:
        image = read_picture(str(picture), 3, _COLORS[kind])
    return _READERS[kind](image)


def _mask(image: np.ndarray) -> np.ndarray:
    return np.asarray((image if image.ndim == 2 else image[..., 0]) > 0).astype(np.float32)


def _trimap(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def _picture(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)


_READERS: Dict[str, Callable[[np.ndarray], np.ndarray]] = {"mask": _mask, "trimap": _trimap, "picture": _picture}


def prepared(companions: Mapping[str, Companion], pictures: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """What the network takes of the companions, (1, c, h, w) float32 each, by the inputs' names.

    Args:
        companions: the file's.
        pictures: what was read, by what a user calls it, ``input`` among them.

    Raises:
        InputError: one has another size than the picture that it belongs to.
    """
    height, width = pictures["input"].shape[:2]
    feeds = {}
    for name, one in companions.items():
        image = pictures[one["of"]]
        if one["read"] != "picture" and image.shape[:2] != (height, width):
            raise InputError(
                f"the {one['of']} is {image.shape[1]}x{image.shape[0]}, and the picture {width}x{height}",
                "one of the picture's own size",
                "give another one",
            )
        feeds[name] = pipeline.apply(one["steps"], image).feed
    return feeds
