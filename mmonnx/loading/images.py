"""Reading images and turning them into network inputs."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
import torch

from ..runtime import read_picture
from ..support import check_images
from .channels import with_channels
from .options import LoadOptions
from .second_generation import is_of_second, transforms


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
    """The test pipeline of a config, wherever it keeps it, in the terms of 1.x; empty when it has none."""
    if is_of_second(config):
        return transforms(config)
    test = config.get("data", {}).get("test", {})
    while isinstance(test, (list, tuple)):
        test = test[0] if test else {}
    return test.get("pipeline") or config.get("test_pipeline") or []


def make_input(
    images: Sequence[np.ndarray], shape: Tuple[int, int], norm: Optional[Dict[str, Any]], channels: int = 3
) -> torch.Tensor:
    """Resize to exactly ``shape`` (height, width), normalise and stack.

    Args:
        images: (H, W) or (H, W, C), of which three channels are BGR; see ``with_channels`` for those of other numbers.
        shape: (height, width) in pixels.
        norm: the ``Normalize`` transform (mean, std, to_rgb), None to leave the values as they are. One mean is that of
            all channels; means of another number of channels are none of these images.
        channels: how many the model takes.

    Returns:
        (N, channels, height, width) float32.

    Raises:
        InputError: it would be enormous.
    """
    import cv2

    check_images(len(images), shape)
    stacked: List[np.ndarray] = []
    for image in images:
        resized = cv2.resize(image, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        resized = with_channels(resized, channels).reshape(*shape, channels)
        if norm is not None and len(norm["mean"]) in (1, channels):
            if norm.get("to_rgb", True) and channels == 3:  # mmcv leaves the order of others as it is
                resized = resized[..., ::-1]
            resized = (resized - np.asarray(norm["mean"], np.float32)) / np.asarray(norm["std"], np.float32)
        stacked.append(resized.transpose(2, 0, 1))
    return torch.from_numpy(np.ascontiguousarray(np.stack(stacked), dtype=np.float32))


def sample_images(options: LoadOptions, channels: int = 3) -> List[np.ndarray]:
    """What a model of so many channels is traced and calibrated on: the user's image, or photographs, BGR.

    Raises:
        InputError: the user's image does not exist or is none.
    """
    return [read_picture(options.image, channels)] if options.image else photographs()


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
