"""Attention in shifted windows, for a feature map of any size and any batch."""

from typing import Any, Callable, Tuple

import torch
from torch.nn.functional import pad

from .sizes import ceil_divide, floor_divide

_MASKED = -100.0


def shifted_window_attention(
    query: torch.Tensor, size: Tuple[Any, Any], window: int, shift: Any, attention: Callable[..., torch.Tensor]
) -> torch.Tensor:
    """Attend inside windows of a map that is padded to whole windows and rolled by a shift.

    Args:
        query: (N, H * W, C).
        size: (H, W).
        window: height and width of a window, in cells.
        shift: cells that the windows are shifted by; an int (0 for windows that are not), or a tensor where that
            depends on the size.
        attention: ``(windows (K, window ** 2, C), mask=) -> (K, window ** 2, C)``; K counts the windows of all images,
            the mask (windows of an image, window ** 2, window ** 2) is None where nothing is shifted.

    Returns:
        (N, H * W, C).
    """
    height, width = size
    channels = int(query.shape[2])
    below, right = (ceil_divide(length, window) * window - length for length in (height, width))
    full = height + below, width + right
    x = pad(query.reshape(-1, height, width, channels), (0, 0, 0, right, 0, below))
    shifted, mask = isinstance(shift, torch.Tensor) or shift > 0, None
    if shifted:
        x = _roll(_roll(x, shift, 1, full[0]), shift, 2, full[1])
        mask = _mask(full, window, shift, query)
    windows = attention(partition(x, full, window).reshape(-1, window * window, channels), mask=mask)
    x = join(windows, full, window, channels)
    if shifted:
        x = _roll(_roll(x, -shift, 1, full[0]), -shift, 2, full[1])
    return x[:, :height, :width].reshape(-1, height * width, channels)


def _roll(x: torch.Tensor, shift: Any, dim: int, length: Any) -> torch.Tensor:
    """Move what is ``shift`` cells on to the front: one Gather, whatever the shift."""
    index = torch.arange(length, device=x.device) + shift
    index = torch.where(index >= length, index - length, index)
    return x.index_select(dim, torch.where(index < 0, index + length, index))


def partition(x: torch.Tensor, size: Tuple[Any, Any], window: int) -> torch.Tensor:
    """(N, H, W, C) -> (N * windows, window, window, C)."""
    rows, columns = (floor_divide(length, window) for length in size)
    channels = int(x.shape[3])
    x = x.reshape(-1, rows, window, columns, window, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, window, window, channels)


def join(windows: torch.Tensor, size: Tuple[Any, Any], window: int, channels: int) -> torch.Tensor:
    """(N * windows, window ** 2, C) -> (N, H, W, C)."""
    rows, columns = (floor_divide(length, window) for length in size)
    x = windows.reshape(-1, rows, columns, window, window, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, size[0], size[1], channels)


def _mask(size: Tuple[Any, Any], window: int, shift: Any, like: torch.Tensor) -> torch.Tensor:
    """What is added to the attention of each window (windows, window ** 2, window ** 2).

    Cells that the roll brought together from far apart do not see each other: those of different regions, which end
    ``window`` and ``shift`` cells from the border.
    """
    rows, columns = (_regions(length, window, shift, like.device) for length in size)
    regions = (rows[:, None] * 3 + columns)[None, :, :, None]
    regions = partition(regions, size, window).reshape(-1, window * window)
    apart = regions[:, None] != regions[:, :, None]
    return torch.where(apart, like.new_full((1,), _MASKED), like.new_zeros(1))


def _regions(length: Any, window: int, shift: Any, device: torch.device) -> torch.Tensor:
    place = torch.arange(length, device=device)
    return (place >= length - window).long() + (place >= length - shift).long()
