"""Attention inside of the windows of a padded map, as Twins has it, for a map of any size and any batch."""

from typing import Any, Tuple

import torch
from torch.nn.functional import pad

from .windows import join, padded, partition

_MASKED = -1000.0


def locally_grouped_attention(module: Any, x: torch.Tensor, hw_shape: Tuple[Any, Any]) -> torch.Tensor:
    """Attend inside windows of (N, H * W, C).

    Args:
        module: a ``LocallyGroupedSelfAttention``, of mmcls or of mmseg.
        x: (N, H * W, C).
        hw_shape: (H, W).

    Returns:
        (N, H * W, C).
    """
    (height, width), window, heads = hw_shape, (module.window_size, module.window_size), module.num_heads
    channels, cells = int(x.shape[2]), window[0] * window[1]
    full = padded(hw_shape, window)
    below, right = full[0] - height, full[1] - width
    x = pad(x.reshape(-1, height, width, channels), (0, 0, 0, right, 0, below))
    windows = partition(x, full, window).reshape(-1, cells, channels)
    qkv = module.qkv(windows).reshape(-1, cells, 3, heads, channels // heads).permute(2, 0, 3, 1, 4)
    attention = (qkv[0] @ qkv[1].transpose(-2, -1)) * module.scale
    mask = _mask(full, (below, right), window, x)
    attention = attention.reshape(-1, mask.shape[0], heads, cells, cells) + mask[:, None]
    attention = module.attn_drop(attention.softmax(dim=-1)).reshape(-1, heads, cells, cells)
    x = join((attention @ qkv[2]).transpose(1, 2), full, window, channels)
    x = x[:, :height, :width].reshape(-1, height * width, channels)
    return module.proj_drop(module.proj(x))


def _mask(size: Tuple[Any, Any], padding: Tuple[Any, Any], window: Tuple[int, int], like: torch.Tensor) -> torch.Tensor:
    """What is added to the attention of each window (windows, cells, cells): padding and picture do not see each other.

    Where an axis has no padding upstream's slice ``-0:`` is all of it, so that nothing is masked on either axis.
    """
    rows, columns = (
        (torch.arange(length, device=like.device) >= length - more) | (torch.as_tensor(more, device=like.device) == 0)
        for length, more in zip(size, padding)
    )
    outside = (rows[:, None] | columns).long()[None, :, :, None]
    outside = partition(outside, size, window).reshape(-1, window[0] * window[1])
    return torch.where(outside[:, None] != outside[:, :, None], like.new_full((1,), _MASKED), like.new_zeros(1))
