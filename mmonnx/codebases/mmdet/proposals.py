"""Proposals as a second input, for detectors that have no RPN of their own (Fast R-CNN)."""

import torch

_COUNT = 300


def sample_proposals(images: int, height: int, width: int) -> torch.Tensor:
    """Seeded boxes of all sizes to trace and to verify with.

    Returns:
        (images, 300, 4) float32 ``(x1, y1, x2, y2)`` in pixels; of every second image the last third is padding.
    """
    generator = torch.Generator().manual_seed(0)
    bound = torch.tensor([width, height], dtype=torch.float32)
    center = torch.rand(images, _COUNT, 2, generator=generator) * bound
    size = torch.exp2(torch.rand(images, _COUNT, 2, generator=generator) * 5 - 5) * bound + 1
    boxes = torch.cat([(center - size / 2).clamp(min=0), torch.minimum(center + size / 2, bound)], -1)
    boxes[1::2, _COUNT * 2 // 3 :] = 0
    return boxes


def is_proposal(proposals: torch.Tensor) -> torch.Tensor:
    """Which of (..., 4) rows are proposals: those without extent pad the shorter lists of a batch."""
    return (proposals[..., 2] > proposals[..., 0]) & (proposals[..., 3] > proposals[..., 1])


def proposals_of_image(rows: torch.Tensor) -> torch.Tensor:
    """The proposals (K, 4) of one image's padded rows (P, 4)."""
    return rows[is_proposal(rows)]
