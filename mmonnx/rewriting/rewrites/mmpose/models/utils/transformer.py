"""Stand-ins for mmpose's embeddings."""

from typing import Any

import torch

from ....context import ExportContext
from ....padding import pad_to_cover
from ....registry import rewrite


@rewrite("mmpose.models.utils.transformer.AdaptivePadding.forward")
def adaptive_padding(context: ExportContext, original: Any, self: Any, x: torch.Tensor) -> torch.Tensor:
    """Pad (N, C, H, W) for any H and W; upstream's asks whether it has to, and the trace would keep it."""
    return pad_to_cover(x, self.kernel_size, self.stride, self.dilation, self.padding == "corner")
