"""Stand-ins for the vision transformer of SAM."""

from typing import Any, Tuple

import torch

from ....context import ExportContext
from ....registry import rewrite
from ....relative_positions import relative_positions
from ....sizes import is_traced
from ....windows import Pair, cut_map, join_map


@rewrite("mmpretrain.models.backbones.vit_sam.get_rel_pos")
def get_rel_pos(context: ExportContext, original: Any, q_size: Any, k_size: Any, rel_pos: torch.Tensor) -> torch.Tensor:
    """Relative positions (L, C) -> (q_size, k_size, C); the trace would keep whether upstream's table is resized."""
    if not is_traced((q_size, k_size)):
        return original(q_size, k_size, rel_pos)
    return relative_positions(rel_pos, q_size, k_size)


@rewrite("mmpretrain.models.backbones.vit_sam.window_partition")
def window_partition(
    context: ExportContext, original: Any, x: torch.Tensor, window_size: int
) -> Tuple[torch.Tensor, Pair]:
    """A map (N, H, W, C) in windows (N * windows, h, w, C), padded to whole ones, which is nothing for some sizes."""
    return cut_map(x, window_size)


@rewrite("mmpretrain.models.backbones.vit_sam.window_unpartition")
def window_unpartition(
    context: ExportContext, original: Any, windows: torch.Tensor, window_size: int, pad_hw: Pair, hw: Pair
) -> torch.Tensor:
    """The map (N, H, W, C) again, without what it was padded with."""
    return join_map(windows, window_size, pad_hw, hw)
