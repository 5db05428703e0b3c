"""Where the digits data come from: scans of handwritten digits (scikit-learn) and photographs that wheels carry."""

import importlib.util
import os
from functools import lru_cache
from typing import List, Tuple

import numpy as np

from ..support import InputError, command_line

CLASSES = tuple(str(digit) for digit in range(10))
SPLITS = ("train", "test")
#: Every seventh scan is held out. They come writer by writer, each in runs of 0 to 9: so both splits have every writer,
#: and seven, which shares no factor with ten, holds out as many of each digit.
TEST_EVERY = 7
#: (package, folder inside it, file): all of them lie inside the wheels.
PHOTOGRAPHS = {
    "train": (
        ("skimage", "data", "astronaut.png"),
        ("skimage", "data", "coffee.png"),
        ("skimage", "data", "motorcycle_left.png"),
        ("skimage", "data", "hubble_deep_field.jpg"),
        ("skimage", "data", "brick.png"),
        ("skimage", "data", "gravel.png"),
        ("skimage", "data", "coins.png"),
        ("skimage", "data", "moon.png"),
        ("skimage", "data", "ihc.png"),
        ("skimage", "data", "retina.jpg"),
        ("sklearn", "datasets/images", "china.jpg"),
    ),
    "test": (
        ("skimage", "data", "chelsea.png"),
        ("skimage", "data", "rocket.jpg"),
        ("skimage", "data", "camera.png"),
        ("skimage", "data", "grass.png"),
        ("sklearn", "datasets/images", "flower.jpg"),
    ),
}
_PIP_NAMES = {"skimage": "scikit-image", "sklearn": "scikit-learn"}


def digit_scans(split: str) -> Tuple[np.ndarray, np.ndarray]:
    """The scans of one split.

    Args:
        split: "train" or "test".

    Returns:
        (n, 8, 8) uint8, 0 for paper to 255 for ink, and (n,) int64 labels.

    Raises:
        InputError: another split, or scikit-learn is not installed.
    """
    _check_split(split)
    scans, labels = _all_scans()
    held_out = np.arange(len(scans)) % TEST_EVERY == TEST_EVERY - 1
    part = held_out if split == "test" else ~held_out
    return scans[part], labels[part]


def photographs(split: str) -> List[np.ndarray]:
    """The photographs of one split, (H, W, 3) uint8 BGR each.

    Raises:
        InputError: another split, or a package that ships them is not installed.
    """
    _check_split(split)
    return list(_photographs(split))


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise InputError(f"split {split!r} is unknown", " or ".join(SPLITS), "give one of them")


def _missing(package: str) -> InputError:
    name = _PIP_NAMES[package]
    return InputError(
        f"{name} is not installed",
        "the package that ships the digits data",
        "run " + command_line("pip", "install", name),
    )


@lru_cache(maxsize=None)
def _all_scans() -> Tuple[np.ndarray, np.ndarray]:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise _missing("sklearn") from error
    data = load_digits()
    return np.rint(data.images * (255 / 16)).astype(np.uint8), data.target.astype(np.int64)


@lru_cache(maxsize=None)
def _photographs(split: str) -> Tuple[np.ndarray, ...]:
    # Pillow, because OpenCV's reader prints a warning of libpng about two of these files.
    from PIL import Image

    pictures = []
    for package, folder, name in PHOTOGRAPHS[split]:
        # The package is found, not imported: scikit-image takes seconds and its loaders may ask the network.
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise _missing(package)
        path = os.path.join(list(spec.submodule_search_locations)[0], folder, name)
        try:
            with Image.open(path) as picture:
                pictures.append(np.ascontiguousarray(np.asarray(picture.convert("RGB"))[..., ::-1]))
        except OSError as error:
            raise InputError(
                f"{path} cannot be read",
                f"a photograph that {_PIP_NAMES[package]} ships",
                "run " + command_line("pip", "install", "--force-reinstall", _PIP_NAMES[package]),
            ) from error
    return tuple(pictures)
