"""The inputs of a detector: images, proposals of one that has no RPN, text, and where the picture lies in the input."""

from functools import partial
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ...loading import Feeds, input_channels, make_input
from ...runtime import IMAGE_CORNER, IMAGE_SIZE, placing
from .proposals import sample_proposals
from .texts import Prompts

Size = Tuple[int, int]
Images = Sequence[np.ndarray]
_SMALL = (64, 64)


class Preparation:
    """Makes the feeds of a detector.

    Args:
        model: the detector.
        norm: see ``make_input``.
        device: of the feeds.
        place: the input that says where the picture lies, ``IMAGE_SIZE`` or ``IMAGE_CORNER``; None for none.
        prompts: the texts of a detector whose file takes text, None for others.

    Attributes:
        channels: of the images.
    """

    def __init__(
        self,
        model: nn.Module,
        norm: Optional[Dict[str, Any]],
        device: Any,
        place: Optional[str],
        prompts: Optional[Prompts] = None,
    ) -> None:
        self.channels = input_channels(model, model.extract_feat, norm, _SMALL)
        self._input = partial(make_input, norm=norm, channels=self.channels)
        self._takes_proposals = hasattr(model, "roi_head") and not model.with_rpn
        self._device, self._place, self._prompts = torch.device(device), place, prompts

    def whole(self, images: Images, shape: Size) -> Feeds:
        """The task's ``preprocess``: each picture fills the input."""
        return self._feeds(images, shape, self._input(images, shape), shape, (0, 0))

    def padded(self, images: Images, shape: Size, part: Size) -> Feeds:
        """The task's ``preprocess_padded``: zeros right of and below the pictures, or around them."""
        pixels = self._input(images, part)
        below, right = shape[0] - part[0], shape[1] - part[1]
        # as RandomCenterCropPad, which the configs of the models have that are told the corner
        top, left = (below // 2, right // 2) if self._place == IMAGE_CORNER else (0, 0)
        pixels = functional.pad(pixels, (left, right - left, top, below - top))
        return self._feeds(images, shape, pixels, part, (left, top))

    def _feeds(self, images: Images, shape: Size, pixels: torch.Tensor, part: Size, offset: Size) -> Feeds:
        feeds = {"input": pixels.to(self._device)}
        if self._takes_proposals:
            feeds["proposals"] = sample_proposals(len(images), *part).to(self._device)
        if self._prompts:
            feeds.update(self._prompts.feeds(len(images), shape))
        for name, value in placing([self._place or ""], part, offset).items():
            feeds[name] = torch.from_numpy(value).to(self._device)
        return feeds


def place_input(box_limits: str) -> str:
    """The input that says where the picture lies, for a detector whose boxes reach so far (``runtime.boxes``)."""
    return IMAGE_CORNER if box_limits == "origin" else IMAGE_SIZE


def meta(height: Any, width: Any) -> Dict[str, Any]:
    """The meta data of an image that fills the network's input."""
    shape = (height, width, 3)
    return dict(
        filename=None,
        ori_filename=None,
        img_shape=shape,
        ori_shape=shape,
        pad_shape=shape,
        batch_input_shape=shape[:2],
        border=(0, height, 0, width),
        scale_factor=np.ones(4, np.float32),
        flip=False,
        flip_direction=None,
    )


def placed_meta(feeds: Feeds) -> Dict[str, Any]:
    """What the feeds say of where the picture lies, as upstream's meta data of an image have it."""
    found: Dict[str, Any] = {}
    height, width = (int(side) for side in feeds["input"].shape[2:])
    if IMAGE_SIZE in feeds:
        part = [min(side, whole) for side, whole in zip(_pixels(feeds[IMAGE_SIZE]), (height, width))]
        found["img_shape"] = found["ori_shape"] = (*part, 3)
    if IMAGE_CORNER in feeds:
        top, left = _pixels(feeds[IMAGE_CORNER])
        found["border"] = (top, height - top, left, width - left)
    return found


def _pixels(values: torch.Tensor) -> List[int]:
    return [round(float(value)) for value in values]  # rounded: a verification shakes all feeds a little
