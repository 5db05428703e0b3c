"""Stand-ins for mmpose's Swin."""

from typing import Any, Tuple

import torch

from ....context import ExportContext
from ....registry import rewrite
from ....windows import shifted_window_attention


@rewrite("mmpose.models.backbones.swin.ShiftWindowMSA.forward")
def forward(
    context: ExportContext, original: Any, self: Any, query: torch.Tensor, hw_shape: Tuple[Any, Any]
) -> torch.Tensor:
    """Attend inside shifted windows of (N, H * W, C)."""
    return self.drop(shifted_window_attention(query, hw_shape, self.window_size, self.shift_size, self.w_msa))
