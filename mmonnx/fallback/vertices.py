"""Corners of the shape that two rotated boxes share, in turn around it: what mmcv's differentiable overlap sorts by."""

import math

import torch

from .registry import operator

_WIDEST = 9
"""Corners of such a shape at most, and the first one again."""
_CROSSINGS = 8
"""The first of the places that are crossings of sides: those before are corners of the boxes."""


@operator
def diff_iou_rotated_sort_vertices_forward(
    vertices: torch.Tensor, mask: torch.Tensor, num_valid: torch.Tensor
) -> torch.Tensor:
    """Sort what there is of corners and crossings by the angle around the middle.

    Args:
        vertices: (B, N, M, 2), about the middle of what is there.
        mask: (B, N, M) bool, what is there.
        num_valid: (B, N) int, how many these are.

    Returns:
        (B, N, 9) int32: which these are, the first one again, and then one that is not there; of fewer than three
        only such ones.
    """
    mask = mask.bool()
    angle = torch.atan2(vertices[..., 1], vertices[..., 0]) % (2 * math.pi)
    order = angle.masked_fill(~mask, math.inf).argsort(-1)[..., :_WIDEST]
    absent = (~mask[..., _CROSSINGS:]).int().argmax(-1, keepdim=True) + _CROSSINGS
    count, place = num_valid[..., None].clamp(max=_WIDEST - 1), torch.arange(_WIDEST, device=mask.device)
    found = torch.where(place < count, order, torch.where(place == count, order[..., :1], absent))
    return torch.where(count < 3, absent, found).int()
