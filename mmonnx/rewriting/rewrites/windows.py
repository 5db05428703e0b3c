"""Attention in shifted windows, for a feature map of any size and any batch."""

from typing import Any, Callable, Tuple

import torch
from torch.nn.functional import pad

from .sizes import ceil_divide, floor_divide, is_traced

_MASKED = -100.0
Pair = Tuple[Any, Any]


def shifted_window_attention(
    query: torch.Tensor, size: Pair, window: int, shift: Any, attention: Callable[..., torch.Tensor]
) -> torch.Tensor:
    """Attend inside square windows of a map that is given as a row of cells; see :func:`attend_in_windows`.

    Args:
        query: (N, H * W, C).
        size: (H, W).
        window: height and width of a window, in cells.
        shift: cells that the windows are shifted by, in both directions.
        attention: what is done in the windows.

    Returns:
        (N, H * W, C).
    """
    x = query.reshape(-1, *size, int(query.shape[2]))
    x = attend_in_windows(x, size, (window, window), (shift, shift), attention)
    return x.reshape(-1, size[0] * size[1], x.shape[3])


def attend_in_windows(
    x: torch.Tensor, size: Pair, window: Tuple[int, int], shift: Pair, attention: Callable[..., torch.Tensor]
) -> torch.Tensor:
    """Attend inside windows of a map that is padded to whole windows and rolled by a shift.

    Args:
        x: (N, H, W, C).
        size: (H, W).
        window: height and width of a window, in cells.
        shift: cells that the windows are shifted by, down and to the right; each an int (0 for windows that are not),
            or a tensor where that depends on the size.
        attention: ``(windows (K, h * w, C), mask=) -> (K, h * w, C)``; K counts the windows of all images, the mask
            (windows of an image, h * w, h * w) is None where nothing is shifted.

    Returns:
        (N, H, W, C).
    """
    height, width = size
    channels = int(x.shape[3])
    full = padded(size, window)
    x = pad(x, (0, 0, 0, full[1] - width, 0, full[0] - height))
    shifted, mask = is_traced(shift) or sum(shift) > 0, None
    if shifted:
        x = _roll(_roll(x, shift[0], 1, full[0]), shift[1], 2, full[1])
        mask = _mask(full, window, shift, x)
    windows = attention(partition(x, full, window).reshape(-1, window[0] * window[1], channels), mask=mask)
    x = join(windows, full, window, channels)
    if shifted:
        x = _roll(_roll(x, -shift[0], 1, full[0]), -shift[1], 2, full[1])
    return x[:, :height, :width]


def cut_map(x: torch.Tensor, side: int) -> Tuple[torch.Tensor, Pair]:
    """A map (N, H, W, C) in square windows (N * windows, side, side, C), and the size that it is padded to for these.

    It is padded for any size, by nothing for some, which a trace would keep whether upstream does.
    """
    size, window = (x.shape[1], x.shape[2]), (side, side)
    full = padded(size, window)
    return partition(pad(x, (0, 0, 0, full[1] - size[1], 0, full[0] - size[0])), full, window), full


def join_map(windows: torch.Tensor, side: int, full: Pair, size: Pair) -> torch.Tensor:
    """The map (N, H, W, C) of :func:`cut_map` again, without what it was padded with."""
    x = join(windows, full, (side, side), int(windows.shape[3]))
    return x[:, : size[0], : size[1]]


def padded(size: Pair, window: Tuple[int, int]) -> Pair:
    """The size of a map with whole windows."""
    height, width = (ceil_divide(length, side) * side for length, side in zip(size, window))
    return height, width


def _roll(x: torch.Tensor, shift: Any, dim: int, length: Any) -> torch.Tensor:
    """Move what is ``shift`` cells on to the front: one Gather, whatever the shift."""
    index = torch.arange(length, device=x.device) + shift
    index = torch.where(index >= length, index - length, index)
    return x.index_select(dim, torch.where(index < 0, index + length, index))


def partition(x: torch.Tensor, size: Pair, window: Tuple[int, int]) -> torch.Tensor:
    """(N, H, W, C) -> (N * windows, h, w, C)."""
    rows, columns = (floor_divide(length, side) for length, side in zip(size, window))
    channels = int(x.shape[3])
    x = x.reshape(-1, rows, window[0], columns, window[1], channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, *window, channels)


def join(windows: torch.Tensor, size: Pair, window: Tuple[int, int], channels: int) -> torch.Tensor:
    """(N * windows, h * w, C) -> (N, H, W, C)."""
    rows, columns = (floor_divide(length, side) for length, side in zip(size, window))
    x = windows.reshape(-1, rows, columns, *window, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, size[0], size[1], channels)


def _mask(size: Pair, window: Tuple[int, int], shift: Pair, like: torch.Tensor) -> torch.Tensor:
    """What is added to the attention of each window (windows, h * w, h * w).

    Cells that the roll brought together from far apart do not see each other: those of different regions, which end
    a window and a shift from the border.
    """
    rows, columns = (_regions(*axis, like.device) for axis in zip(size, window, shift))
    regions = (rows[:, None] * 3 + columns)[None, :, :, None]
    regions = partition(regions, size, window).reshape(-1, window[0] * window[1])
    apart = regions[:, None] != regions[:, :, None]
    return torch.where(apart, like.new_full((1,), _MASKED), like.new_zeros(1))


def _regions(length: Any, window: int, shift: Any, device: torch.device) -> torch.Tensor:
    place = torch.arange(length, device=device)
    return (place >= length - window).long() + (place >= length - shift).long()
