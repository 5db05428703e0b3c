"""Stand-ins for mmcv's transformer bricks, and for mmdet's of the same name."""

from typing import Any

import torch

from ....context import ExportContext
from ....padding import pad_to_cover
from ....registry import rewrite


@rewrite("mmcv.cnn.bricks.transformer.AdaptivePadding.forward")
def adaptive_padding(context: ExportContext, original: Any, self: Any, x: torch.Tensor) -> torch.Tensor:
    """Pad (N, C, H, W) for any H and W; upstream's asks whether it has to, and the trace would keep it."""
    return pad_to_cover(x, self.kernel_size, self.stride, self.dilation, self.padding == "corner")


@rewrite("mmcv.cnn.bricks.transformer.BaseTransformerLayer.forward")
def layer_forward(
    context: ExportContext,
    original: Any,
    self: Any,
    query: torch.Tensor,
    key: Any = None,
    value: Any = None,
    query_pos: Any = None,
    key_pos: Any = None,
    attn_masks: Any = None,
    *more: Any,
    **options: Any,
) -> torch.Tensor:
    """A mask is given to each attention as it is: upstream makes deep copies, of which a trace has no values."""
    masks = [attn_masks] * self.num_attn if isinstance(attn_masks, torch.Tensor) else attn_masks
    found: torch.Tensor = original(self, query, key, value, query_pos, key_pos, masks, *more, **options)
    return found
