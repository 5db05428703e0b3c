"""Crops of pictures, as mmpose says where they are: by their middle, and by width and height in units of 200 pixels."""

from typing import Any, Tuple

import torch

UNIT = 200.0


def filling(size: Any, like: torch.Tensor, udp: bool = False) -> Tuple[torch.Tensor, torch.Tensor]:
    """The middle (2,) and the scale (2,) of a crop that is all of an input, so that answers are in the input's pixels.

    Args:
        size: (width, height) of the input.
        like: a tensor of the type and device to have them in.
        udp: the first and the last pixels lie on the crop's border.
    """
    whole = torch.stack([torch.as_tensor(side, device=like.device) for side in size]).to(like)
    whole = whole - 1.0 if udp else whole
    return whole * 0.5, whole / UNIT
