"""Stand-ins for mmcls's embeddings."""

from typing import Any

import torch
from torch.nn import functional

from ....context import ExportContext
from ....registry import rewrite
from ....sizes import is_traced


@rewrite("mmcls.models.utils.embed.resize_pos_embed")
def resize_pos_embed(
    context: ExportContext,
    original: Any,
    pos_embed: torch.Tensor,
    src_shape: Any,
    dst_shape: Any,
    mode: str = "bicubic",
    num_extra_tokens: int = 1,
) -> torch.Tensor:
    """Resize a position embedding (1, L, C), for any size; the trace would keep whether upstream's has to."""
    if not is_traced(dst_shape):
        return original(pos_embed, src_shape, dst_shape, mode, num_extra_tokens)
    height, width = (int(size) for size in src_shape)
    extra, weight = pos_embed[:, :num_extra_tokens], pos_embed[:, num_extra_tokens:]
    weight = weight.reshape(1, height, width, int(pos_embed.shape[2])).permute(0, 3, 1, 2)
    weight = functional.interpolate(weight, size=tuple(dst_shape), align_corners=False, mode=mode)
    return torch.cat([extra, weight.flatten(2).transpose(1, 2)], dim=1)
