"""Stand-ins for Twins."""

from typing import Any, Tuple

import torch

from ....context import ExportContext
from ....grouped_attention import locally_grouped_attention
from ....registry import rewrite


@rewrite("mmcls.models.backbones.twins.LocallyGroupedSelfAttention.forward")
def forward(
    context: ExportContext, original: Any, self: Any, x: torch.Tensor, hw_shape: Tuple[Any, Any]
) -> torch.Tensor:
    """Attend inside windows of (N, H * W, C)."""
    return locally_grouped_attention(self, x, hw_shape)
