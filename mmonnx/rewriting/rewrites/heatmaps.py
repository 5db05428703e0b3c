"""Maps of heat, one a key point: their best places, what lies beside these, and how OpenCV blurs them."""

from typing import Any, Tuple

import torch
from torch.nn import functional

from .batched import divide


def best_places(maps: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
    """The first of the best places of each map.

    Args:
        maps: (N, K, H, W).

    Returns:
        (N, K, 2) float (x, y), -1 where nothing is above 0, and the best values (N, K, 1).
    """
    flat = maps.flatten(2)
    values, width = flat.amax(2, keepdim=True), maps.shape[3]
    index = flat.argmax(2)
    row = divide(index, width)
    places = torch.stack([index - row * width, row], 2).to(maps)
    return torch.where(values > 0, places, -torch.ones_like(places)), values


class Neighbours:
    """What lies at and around places of maps.

    Args:
        maps: (N, K, H, W).
        places: (N, K, 2) whole (x, y); those less than ``reach`` away from the border have no neighbours.
        reach: how far away the furthest neighbour is.
    """

    def __init__(self, maps: torch.Tensor, places: torch.Tensor, reach: int) -> None:
        height, width = maps.shape[2:]
        x, y = places.long().unbind(2)
        self._flat, self._width = maps.flatten(2), width
        self.inside = (x >= reach) & (x < width - reach) & (y >= reach) & (y < height - reach)
        self._index = torch.where(self.inside, y * width + x, torch.zeros_like(x))

    def at(self, right: int, down: int) -> torch.Tensor:
        """(N, K) the values so far right of and below the places; of those without neighbours any."""
        index = (self._index + (down * self._width + right)).unsqueeze(2)
        last = self._flat.shape[2] - 1
        index = torch.where(index > 0, index, torch.zeros_like(index))
        index = torch.where(index < last, index, torch.zeros_like(index) + last)
        return self._flat.gather(2, index).squeeze(2)


def blurred(maps: torch.Tensor, size: int, reflected: bool = False) -> torch.Tensor:
    """Maps (N, K, H, W) as OpenCV's ``GaussianBlur`` of a size has them, with the deviation that goes with it.

    Args:
        reflected: beyond the border is what is before it, which itself is not repeated; else zeros.
    """
    import cv2

    weights = torch.from_numpy(cv2.getGaussianKernel(size, 0)).flatten().to(maps)
    height, width, reach = maps.shape[2], maps.shape[3], size // 2
    alone = maps.reshape(-1, 1, height, width)
    if reflected:
        alone = _reflected(_reflected(alone, 2, height, reach), 3, width, reach)
    else:
        alone = functional.pad(alone, [reach] * 4)
    alone = functional.conv2d(alone, weights.reshape(1, 1, 1, -1))
    alone = functional.conv2d(alone, weights.reshape(1, 1, -1, 1))
    return alone.reshape(maps.shape[0], maps.shape[1], height, width)


def _reflected(maps: torch.Tensor, axis: int, length: Any, reach: int) -> torch.Tensor:
    """Maps with so many places more at both ends of an axis, to and fro as often as it takes: Pad reflects once."""
    place = torch.arange(length + 2 * reach, device=maps.device) - reach
    last = torch.as_tensor(length, device=maps.device) - 1
    there_and_back = torch.where(last > 0, 2 * last, torch.ones_like(last))
    # of what is not negative, rounding down is one node
    place = place + there_and_back * (reach + 1)
    place = place - divide(place, there_and_back) * there_and_back
    return maps.index_select(axis, torch.where(place > last, there_and_back - place, place))


def scaled(places: torch.Tensor, scale: torch.Tensor, centre: torch.Tensor, size: Any, udp: bool) -> torch.Tensor:
    """Places of maps in pixels of the picture.

    Args:
        places: (N, K, 2) (x, y).
        scale: (N, 2) or (2,) width and height in pixels, by 200, of what the maps show of the picture.
        centre: its middle, in pixels.
        size: (width, height) of the maps.
        udp: the last places lie on its border, and not half a place before it.
    """
    whole = scale.reshape(-1, 1, 2) * 200.0
    across = torch.stack([torch.as_tensor(side, device=places.device) for side in size]).to(places)
    return places * (whole / (across - 1.0 if udp else across)) + centre.reshape(-1, 1, 2) - whole * 0.5
