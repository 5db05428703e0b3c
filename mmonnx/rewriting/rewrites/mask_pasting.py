"""Pasting masks of RoIs into the image, axis by axis."""

from typing import Any, Optional, Sequence

import torch

from ..symbolics import thresholded_matmul
from .context import ExportContext
from .rows import merge_first


def paste_masks(
    masks: torch.Tensor,
    boxes: torch.Tensor,
    size: Sequence[Any],
    threshold: float,
    ends: Optional[Sequence[Any]] = None,
) -> torch.Tensor:
    """Sample each mask over its box in the image, and compare with the threshold.

    Bilinear sampling of an upright box is one small matrix per axis, so that ONNX needs no GridSample (opset 16), and
    the masks of one image are never held as float together.

    Args:
        masks: (K, h, w) probabilities.
        boxes: (K, 4) ``(x1, y1, x2, y2)`` in pixels.
        size: (height, width) of the image, traced or not.
        threshold: ``mask_thr_binary``.
        ends: (height, width) of the part that masks may reach, None for all.

    Returns:
        (K, height, width) bool.
    """
    down, across = (
        _weights(boxes[:, axis : axis + 1], boxes[:, axis + 2 : axis + 3], length, int(cells), end)
        for axis, length, cells, end in zip((1, 0), size, masks.shape[1:], ends or (None, None))
    )
    return thresholded_matmul(down.matmul(masks), across.transpose(1, 2), threshold)


def _weights(low: torch.Tensor, high: torch.Tensor, size: Any, cells: int, end: Any) -> torch.Tensor:
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
    if end is not None:
        near = near & (pixel < torch.as_tensor(end).to(pixel))
    return share * near.to(low.dtype)[..., None]


def keep_masks(context: ExportContext, masks: torch.Tensor, boxes: torch.Tensor, threshold: float) -> None:
    """Put the masks of the detections into ``context.masks``, pasted or as they are.

    Args:
        masks: (K, h, w) probabilities.
        boxes: (K, 4).
        threshold: ``mask_thr_binary``.
    """
    # in rows per image first: what is pasted is a hundred times larger, and PPLNN gathers no bool
    masks = context.found.unflatten(masks)
    if context.mask_output == "image":
        boxes, size = context.found.unflatten(boxes), context.input.shape[2:]
        ends = context.image_size if context.told_size else None
        pasted = paste_masks(merge_first(masks), merge_first(boxes), size, threshold, ends)
        masks = pasted.reshape(boxes.shape[0], boxes.shape[1], size[0], size[1])
    context.masks = masks
