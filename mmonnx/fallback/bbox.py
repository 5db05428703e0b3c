"""Overlap of upright boxes."""

import torch

from .registry import operator


def _areas(boxes: torch.Tensor, offset: int) -> torch.Tensor:
    """(..., 4) -> (...); positive for a box that is upside down and mirrored, as in the compiled kernel."""
    return (boxes[..., 2:] - boxes[..., :2] + offset).prod(-1)


@operator
def bbox_overlaps(
    bboxes1: torch.Tensor, bboxes2: torch.Tensor, ious: torch.Tensor, mode: int, aligned: bool, offset: int
) -> None:
    """Intersection over union, or over the first box.

    Args:
        bboxes1: (N, 4).
        bboxes2: (M, 4), M == N where aligned.
        ious: (N, M), or (N,) where aligned; filled.
        mode: 0 for the union, 1 for the first box as the denominator.
        aligned: each with its own instead of each with all.
        offset: 0, or 1 where the sides of a box are x2 - x1 + 1 and y2 - y1 + 1.
    """
    if not aligned:
        bboxes1 = bboxes1[:, None]

    low, high = torch.max(bboxes1[..., :2], bboxes2[..., :2]), torch.min(bboxes1[..., 2:], bboxes2[..., 2:])
    shared = (high - low + offset).clamp(min=0).prod(-1)
    denominator = _areas(bboxes1, offset)
    if mode == 0:
        denominator = denominator + _areas(bboxes2, offset) - shared
    ious.copy_(shared / denominator)
