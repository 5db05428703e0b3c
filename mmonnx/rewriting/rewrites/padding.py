"""Padding: what a layer adds, which depends on the size of the input, and what the input has."""

from typing import Any, Sequence

import torch
from torch.nn import functional

from .context import ExportContext
from .sizes import at_least_zero, ceil_divide, floor_divide


def pad_to_cover(
    x: torch.Tensor, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], corner: bool
) -> torch.Tensor:
    """Pad (N, C, H, W) with zeros so that strides cover all of it, for any H and W.

    Args:
        kernel, stride, dilation: of the convolution that follows, each (vertical, horizontal).
        corner: pad at the bottom and the right alone, not around.
    """
    pads: Any = []
    for size, length, step, spread in zip(x.shape[2:], kernel, stride, dilation):
        wanted = (ceil_divide(size, step) - 1) * step + (length - 1) * spread + 1
        total = at_least_zero(wanted - size)
        before = 0 if corner else floor_divide(total, 2)
        pads = [before, total - before, *pads]
    return functional.pad(x, pads)


def mirrored(place: torch.Tensor, size: Any) -> torch.Tensor:
    """The places (K,) int64 of a side, those outside of it mirrored at its ends: one index for any size, where Pad has
    an amount that a trace may keep. None is further outside than the side is long."""
    last = torch.as_tensor(size, device=place.device) - 1
    place = place.abs()
    return torch.where(place > last, 2 * last - place, place)


def repeated(place: torch.Tensor, size: Any) -> torch.Tensor:
    """As :func:`mirrored`, of which those outside are the ends."""
    last = torch.as_tensor(size, device=place.device) - 1
    place = torch.where(place < last, place, last)
    return torch.where(place > 0, place, place.new_zeros(1))


def padded_cells(context: ExportContext, maps: torch.Tensor) -> torch.Tensor:
    """Which cells of maps (N, C, h, w) upstream takes for padding: (N, h, w) bool.

    Upstream makes a mask of the input's size and resizes it, each cell by its first pixel.
    """
    # not by resizing a mask of the image: torch 1.13 takes the result's size for a constant
    nothing = torch.zeros_like(maps[:, 0], dtype=torch.bool)
    if not context.told_size:
        return nothing
    down, across = (
        _first_pixels(whole, cells, maps.device) >= end
        for whole, cells, end in zip(context.input.shape[2:], maps.shape[2:], context.image_size)
    )
    return nothing | down[:, None] | across


def _first_pixels(whole: Any, cells: Any, device: torch.device) -> torch.Tensor:
    """(cells,) int64: the pixel that torch's nearest resizing of ``whole`` pixels takes for each cell."""
    whole, cells = torch.as_tensor(whole, device=device), torch.as_tensor(cells, device=device)
    place = (torch.arange(cells, device=device).float() * (whole.float() / cells.float())).long()
    return torch.where(place < whole, place, whole - 1)


def within_image(context: ExportContext, masks: torch.Tensor) -> torch.Tensor:
    """Masks (..., H, W) bool of the input's size, with nothing in the padding."""
    if not context.told_size:
        return masks
    down, across = (
        torch.arange(whole, device=masks.device) < end for whole, end in zip(masks.shape[-2:], context.image_size)
    )
    return masks & (down[:, None] & across)
