"""ReDet's RoIAlign of rotated boxes, which turns the channels of equivariant features with the box, in plain torch."""

import math
from typing import Any

import torch

from .gradients import gradients
from .registry import operator
from .rotated_align import pool_rotated


def turn_channels(pooled: torch.Tensor, angle: torch.Tensor, orientations: int) -> torch.Tensor:
    """Turn features by angles: channels of two neighbouring orientations are mixed.

    As mmcv has it, the second of them is the one on the other side, so that a rounding of an angle that is a whole
    number of orientations matters: the division is in double precision, as in mmcv's kernel.

    Args:
        pooled: (R, C, h, w), C of groups of so many orientations.
        angle: (R,) in radians.
        orientations: how many there are in a whole turn.
    """
    place = ((angle * orientations).double() / (2 * math.pi)).to(angle.dtype)
    before = place.floor()
    share = (place - before)[:, None, None, None, None]
    number = torch.arange(orientations, device=pooled.device) - before[:, None]
    channels, height, width = (int(size) for size in pooled.shape[1:])
    flat = pooled.reshape(pooled.shape[0], channels // orientations, orientations, height, width)
    rows = flat.transpose(1, 2)  # (R, orientations, groups, h, w)
    row = torch.arange(pooled.shape[0], device=pooled.device)[:, None]
    first, second = (rows[row, torch.remainder(number + more, orientations).long()] for more in (0, 1))
    turned = (first * (1 - share) + second * share).transpose(1, 2)
    return turned.reshape(pooled.shape[0], channels, height, width)


def _pool(
    features: torch.Tensor,
    rois: torch.Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    num_samples: int,
    num_orientations: int,
    clockwise: bool,
) -> torch.Tensor:
    pooled = pool_rotated(
        features, rois, pooled_height, pooled_width, spatial_scale, num_samples, aligned=False, clockwise=clockwise
    )
    return turn_channels(pooled, rois[:, 5], num_orientations)


@operator
def riroi_align_rotated_forward(features: torch.Tensor, rois: torch.Tensor, output: torch.Tensor, **sizes: Any) -> None:
    """Pool rotated RoIs of any size into (PH, PW) bins, and turn their channels.

    Args:
        features: (B, C, H, W), C of groups of ``num_orientations``.
        rois: (R, 6), image, center x and y, width, height in pixels of the image, angle in radians.
        output: (R, C, PH, PW), filled.
        sizes: ``pooled_height``, ``pooled_width``, ``spatial_scale``, ``num_samples`` per bin and axis (0 for as many
            as a bin has pixels), ``num_orientations``, ``clockwise``.
    """
    output.copy_(_pool(features, rois, **sizes))


@operator
def riroi_align_rotated_backward(
    top_grad: torch.Tensor, rois: torch.Tensor, bottom_grad: torch.Tensor, **sizes: Any
) -> None:
    """Gradient of :func:`riroi_align_rotated_forward` by the features, added to ``bottom_grad`` (B, C, H, W)."""
    bottom_grad.add_(gradients(lambda features: _pool(features, rois, **sizes), (bottom_grad,), top_grad)[0])
