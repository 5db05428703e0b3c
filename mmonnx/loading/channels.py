"""How many channels the images of a model have: its first layer knows."""

from contextlib import ExitStack
from itertools import islice
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import nn

from ..runtime import count_channels
from ..support import check_images

_KINDS = (nn.Conv2d, nn.Linear, nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)
_RGB = 3


class _Reached(Exception):
    """A run has come to the first layer that says how many channels it takes."""


def input_channels(
    model: nn.Module, run: Callable[[torch.Tensor], Any], norm: Optional[Dict[str, Any]], shape: Tuple[int, int]
) -> int:
    """The number of channels of the images that a model takes.

    The first layer that an image comes to is asked, and not its ``in_channels`` alone: what is in front of it may move
    pixels into channels, as YOLOX does, or add some of its own.

    Args:
        model: the model.
        run: runs the model, or the beginning of it, on images (1, C, height, width).
        norm: the ``Normalize`` transform, None for none; where no layer can be asked, its means are counted.
        shape: (height, width) of the images, in pixels.

    Raises:
        InputError: an image of this size is too large.
    """
    check_images(1, shape)
    means = len(norm["mean"]) if norm else _RGB
    likely = means if means > 1 else _RGB
    first = next(model.parameters(), torch.zeros(()))
    layers = (layer for layer in model.modules() if isinstance(layer, _KINDS))
    # code in front of the layers may fail at any other number: the layer that was made first is as good a guess
    tries = [likely, *(_taken(layer) for layer in islice(layers, 1))]
    for channels in tries:  # which grows
        image = torch.zeros(1, channels, *shape, dtype=torch.float32, device=first.device)
        found = _at_first_layer(model, run, image)
        if found is None:
            continue
        got, taken = found
        if got == taken:
            return channels
        scaled = [channels * taken // got] if channels * taken % got == 0 else []
        more = [*scaled, channels + taken - got, taken]
        tries += [one for one in dict.fromkeys(more) if one > 0 and one not in tries]
    return likely


def _at_first_layer(
    model: nn.Module, run: Callable[[torch.Tensor], Any], image: torch.Tensor
) -> Optional[Tuple[int, int]]:
    """How many channels the first layer gets, and how many it takes; None if the run comes to none."""
    found: List[Tuple[int, int]] = []

    def look(layer: nn.Module, inputs: Sequence[Any]) -> None:
        if inputs and isinstance(inputs[0], torch.Tensor) and inputs[0].dim() > 1:
            axis = -1 if isinstance(layer, (nn.Linear, nn.LayerNorm)) else 1
            found.append((int(inputs[0].shape[axis]), _taken(layer)))
            raise _Reached

    with ExitStack() as stack:
        for layer in model.modules():
            if isinstance(layer, _KINDS):
                stack.callback(layer.register_forward_pre_hook(look).remove)
        try:
            with torch.no_grad():
                run(image)
        except Exception:  # the model raises whatever its own code raises of images that are not its own
            pass
    return found[0] if found else None


def _taken(layer: nn.Module) -> int:
    if isinstance(layer, nn.Conv2d):
        return int(layer.in_channels)
    if isinstance(layer, nn.Linear):
        return int(layer.in_features)
    if isinstance(layer, nn.LayerNorm):
        return int(layer.normalized_shape[-1])
    return int(layer.num_channels if isinstance(layer, nn.GroupNorm) else layer.num_features)


def with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """An image with so many channels: a grey one where it is one, else with random ones behind its own, or its first.

    Args:
        image: (H, W), or (H, W, C), of which three are BGR.
        channels: how many it is to have.

    Returns:
        (H, W) for one channel, else (H, W, channels); what is drawn is the same every time.
    """
    import cv2

    own = count_channels(image)
    if own == channels:
        return image
    if channels == 1:
        return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if own == _RGB else image[..., 0]
    if own == 1 and channels == _RGB:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    if own > channels:
        return image[..., :channels]
    most = 256 if image.dtype.kind == "u" else max(float(image.max()), 1.0)
    drawn = np.random.RandomState(0).uniform(0, most, (*image.shape[:2], channels - own)).astype(image.dtype)
    return np.dstack([image, drawn])


def channel_notes(images: Sequence[np.ndarray], channels: int) -> List[str]:
    """What a user is to know of images that have too few channels for a model."""
    fewest = min(count_channels(image) for image in images)
    if fewest >= channels or (fewest, channels) == (1, _RGB):
        return []
    missing = channels - fewest
    last = "the last one holds" if missing == 1 else f"the last {missing} hold"
    return [f"the model takes images of {channels} channels, and those at hand have {fewest}: {last} random numbers"]
