"""Stand-ins for mmpretrain's position encodings."""

from typing import Any

import torch

from ....context import ExportContext
from ....registry import rewrite
from ....sizes import is_traced


@rewrite("mmpretrain.models.utils.position_encoding.RotaryEmbeddingFast.forward")
def forward(context: ExportContext, original: Any, self: Any, x: torch.Tensor, patch_resolution: Any) -> torch.Tensor:
    """Rotate (N, heads, H * W, C) by where each cell is; upstream's keeps the angles of the last size."""
    if not is_traced(patch_resolution):
        return original(self, x, patch_resolution)
    height, width = patch_resolution
    half = int(self.half_dim)
    frequency = 1.0 / self.theta ** (torch.arange(0, half, 2, device=x.device).float() / half)
    rows, columns = (
        ((torch.arange(length, device=x.device) / length * half)[:, None] * frequency).repeat(1, 2)
        for length in (height, width)
    )
    angles = torch.cat([rows[:, None].expand(height, width, half), columns.expand(height, width, half)], -1)
    angles = angles.reshape(height * width, 2 * half)
    first, second = x.reshape(*x.shape[:3], half, 2).unbind(-1)
    turned = torch.stack([-second, first], dim=-1).reshape(x.shape)
    return x * angles.cos() + turned * angles.sin()
