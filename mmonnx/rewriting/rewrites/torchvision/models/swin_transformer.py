"""Stand-ins for torchvision's Swin transformers."""

import math
from functools import partial
from typing import Any, Optional, Sequence

import torch
from torch.nn import functional

from ...context import ExportContext
from ...registry import rewrite
from ...sizes import is_traced
from ...windows import attend_in_windows, padded

_LARGEST_SCALE = math.log(100.0)


@rewrite("torchvision.models.swin_transformer.shifted_window_attention")
def shifted_window_attention(
    context: ExportContext,
    original: Any,
    input: torch.Tensor,
    qkv_weight: torch.Tensor,
    proj_weight: torch.Tensor,
    relative_position_bias: torch.Tensor,
    window_size: Sequence[int],
    num_heads: int,
    shift_size: Sequence[int],
    attention_dropout: float = 0.0,
    dropout: float = 0.0,
    qkv_bias: Optional[torch.Tensor] = None,
    proj_bias: Optional[torch.Tensor] = None,
    logit_scale: Optional[torch.Tensor] = None,
    training: bool = False,
) -> torch.Tensor:
    """Attend inside shifted windows of (N, H, W, C), without dropout.

    Along an axis that is one window long nothing is shifted; upstream asks the tracer, for whom H and W are fixed.
    """
    (height, width), window = input.shape[1:3], (window_size[0], window_size[1])
    size = (height, width)
    down, across = (
        _unless_one_window(by, length, side) for by, length, side in zip(shift_size, padded(size, window), window)
    )
    if logit_scale is not None and qkv_bias is not None:  # keys of cosines have no bias, whatever was trained
        third = qkv_bias.numel() // 3
        qkv_bias = torch.cat([qkv_bias[:third], torch.zeros_like(qkv_bias[:third]), qkv_bias[2 * third :]])

    def attention(windows: torch.Tensor, mask: Optional[torch.Tensor]) -> torch.Tensor:
        cells, channels = window[0] * window[1], int(windows.shape[2])
        qkv = functional.linear(windows, qkv_weight, qkv_bias)
        qkv = qkv.reshape(-1, cells, 3, num_heads, channels // num_heads).permute(2, 0, 3, 1, 4)
        query, key, value = qkv[0], qkv[1], qkv[2]
        if logit_scale is None:
            weights = (query * (channels // num_heads) ** -0.5) @ key.transpose(-2, -1)
        else:
            unit = partial(functional.normalize, dim=-1)
            weights = unit(query) @ unit(key).transpose(-2, -1) * logit_scale.clamp(max=_LARGEST_SCALE).exp()
        weights = weights + relative_position_bias
        if mask is not None:
            weights = weights.reshape(-1, mask.shape[0], num_heads, cells, cells) + mask[:, None]
            weights = weights.reshape(-1, num_heads, cells, cells)
        found = (weights.softmax(dim=-1) @ value).transpose(1, 2).reshape(-1, cells, channels)
        return functional.linear(found, proj_weight, proj_bias)

    return attend_in_windows(input, size, window, (down, across), attention)


def _unless_one_window(shift: int, length: Any, side: int) -> Any:
    """The shift of an axis; none where the axis, padded to whole windows, is a single one."""
    if shift and is_traced(length):
        return torch.where(length > side, torch.tensor(shift), torch.tensor(0))
    return shift if length > side else 0
