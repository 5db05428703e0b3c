"""Overlap of upright boxes."""

import torch

from .registry import operator


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

    def area(low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        return (high - low + offset).clamp(min=0).prod(-1)

    low, high = torch.max(bboxes1[..., :2], bboxes2[..., :2]), torch.min(bboxes1[..., 2:], bboxes2[..., 2:])
    shared, denominator = area(low, high), area(bboxes1[..., :2], bboxes1[..., 2:])
    if mode == 0:
        denominator = denominator + area(bboxes2[..., :2], bboxes2[..., 2:]) - shared
    ious.copy_(shared / denominator)
