"""Reading images and turning them into network inputs."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
import torch

from ..memory import check_images
from ..runtime.images import read_image
from .options import LoadOptions


def find_transform(pipeline: Any, kind: str) -> Optional[Dict[str, Any]]:
    """The first transform of a type in a test pipeline, also inside MultiScaleFlipAug."""
    for step in pipeline or ():
        if step.get("type") == kind:
            return step
        inner = find_transform(step.get("transforms"), kind)
        if inner is not None:
            return inner
    return None


def test_pipeline(config: Any) -> Sequence[Dict[str, Any]]:
    """The test pipeline of a config, wherever it keeps it; empty when it has none."""
    test = config.get("data", {}).get("test", {})
    while isinstance(test, (list, tuple)):
        test = test[0] if test else {}
    return test.get("pipeline") or config.get("test_pipeline") or []


def make_input(images: Sequence[np.ndarray], shape: Tuple[int, int], norm: Optional[Dict[str, Any]]) -> torch.Tensor:
    """Resize to exactly ``shape`` (height, width), normalise and stack.

    Args:
        images: BGR uint8 (H, W, 3).
        shape: (height, width) in pixels.
        norm: the ``Normalize`` transform (mean, std, to_rgb), None to leave the values as they are. One mean makes the
            images grey.

    Returns:
        (N, 3, height, width) float32, (N, 1, height, width) if grey.

    Raises:
        InputError: it would be enormous.
    """
    import cv2

    check_images(len(images), shape)
    stacked: List[np.ndarray] = []
    for image in images:
        resized = cv2.resize(image, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        if norm is not None:
            if len(norm["mean"]) == 1:
                resized = cv2.cvtColor(resized, cv2.COLOR_BGR2GRAY)[..., None]
            elif norm.get("to_rgb", True):
                resized = resized[..., ::-1]
            resized = (resized - np.asarray(norm["mean"], np.float32)) / np.asarray(norm["std"], np.float32)
        stacked.append(resized.transpose(2, 0, 1))
    return torch.from_numpy(np.ascontiguousarray(np.stack(stacked), dtype=np.float32))


def sample_images(options: LoadOptions) -> List[np.ndarray]:
    """What a model is traced and calibrated on: the user's image, or photographs; BGR uint8 (H, W, 3).

    Raises:
        InputError: the user's image does not exist or is none.
    """
    return [read_image(options.image)] if options.image else photographs()


def size_divisor(config: Any) -> int:
    """What heights and widths are multiples of that the test pipeline of a config makes; 32 at least."""
    pad = find_transform(test_pipeline(config), "Pad") or {}
    return max(32, int(pad.get("size_divisor") or 1))


def second_shape(shape: Tuple[int, int], divisor: int = 32) -> Tuple[int, int]:
    """Another (height, width) than ``shape``, of another aspect, in multiples of the divisor."""
    height, width = (max(1, round(share * size / divisor)) * divisor for share, size in zip((0.6, 0.8), shape))
    if height * shape[1] == width * shape[0]:
        width += divisor
    return height, width


def photographs() -> List[np.ndarray]:
    """Real photographs that ship inside scikit-image, BGR uint8, of different sizes and contents."""
    import os

    import skimage
    from PIL import Image  # a dependency of scikit-image; OpenCV complains about the profiles of these files

    folder = os.path.join(os.path.dirname(skimage.__file__), "data")
    found = []
    for name in ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg"):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with Image.open(path) as image:
                found.append(np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1]))
    return found
