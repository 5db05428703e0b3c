"""Pasting masks of RoIs into the image, axis by axis."""

from typing import Any

import torch

from ..symbolics.thresholded_matmul import thresholded_matmul


def paste_masks(masks: torch.Tensor, boxes: torch.Tensor, height: Any, width: Any, threshold: float) -> torch.Tensor:
    """Sample each mask over its box in the image, and compare with the threshold.

    Bilinear sampling of an upright box is one small matrix per axis, so that ONNX needs no GridSample (opset 16), and
    the masks of one image are never held as float together.

    Args:
        masks: (K, h, w) probabilities.
        boxes: (K, 4) ``(x1, y1, x2, y2)`` in pixels.
        height, width: of the image, traced or not.
        threshold: ``mask_thr_binary``.

    Returns:
        (K, height, width) bool.
    """
    down = _weights(boxes[:, 1:2], boxes[:, 3:4], height, int(masks.shape[1]))
    across = _weights(boxes[:, 0:1], boxes[:, 2:3], width, int(masks.shape[2]))
    return thresholded_matmul(down.matmul(masks), across.transpose(1, 2), threshold)


def _weights(low: torch.Tensor, high: torch.Tensor, size: Any, cells: int) -> torch.Tensor:
    """(K, size, cells): the share of each cell of the mask in each pixel along one axis; low and high are (K, 1)."""
    pixel = torch.arange(size, device=low.device).to(low.dtype)
    extent = high - low
    zero = extent.new_zeros(1)
    # upstream puts a box without extent, whose division gives infinity, at the mask's center
    place = torch.where(extent > 0, (pixel + 0.5 - low) / torch.where(extent > 0, extent, zero + 1) * 2 - 1, zero)
    place = ((place + 1) * cells - 1) / 2
    share = (1 - (place[..., None] - torch.arange(cells, device=low.device).to(low.dtype)).abs()).clamp(min=0)
    # upstream pastes into the box and one pixel around it, and nowhere else
    near = (pixel >= low.floor() - 1) & (pixel < high.ceil() + 1)
    return share * near.to(low.dtype)[..., None]
