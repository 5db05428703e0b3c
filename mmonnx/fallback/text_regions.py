"""What post-processes the maps of text detectors."""

from typing import List

import torch

from ..flooding import contour_expand as _expand
from ..flooding import pixel_group as _group
from .registry import operator


@operator
def contour_expand(
    kernel_mask: torch.Tensor, internal_kernel_label: torch.Tensor, min_kernel_area: int, kernel_num: int
) -> List[List[int]]:
    """Labels (H, W) that have grown from kernels over the text, see ``flooding.contour_expand``."""
    grown = _expand(kernel_mask.cpu().numpy(), internal_kernel_label.cpu().numpy(), min_kernel_area)
    rows: List[List[int]] = grown.tolist()
    return rows


@operator
def pixel_group(
    score: torch.Tensor,
    mask: torch.Tensor,
    embedding: torch.Tensor,
    kernel_label: torch.Tensor,
    kernel_contour: torch.Tensor,
    kernel_region_num: int,
    distance_threshold: float,
) -> List[List[float]]:
    """The pixels of each text, see ``flooding.pixel_group``."""
    return _group(
        score.cpu().numpy(),
        mask.cpu().numpy(),
        embedding.cpu().numpy(),
        kernel_label.cpu().numpy(),
        kernel_contour.cpu().numpy(),
        kernel_region_num,
        distance_threshold,
    )
