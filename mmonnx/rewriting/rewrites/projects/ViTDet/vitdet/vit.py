"""Stand-ins for the vision transformer of ViTDet."""

import math
from typing import Any, Tuple

import torch
from torch.nn import functional

from ....context import ExportContext
from ....registry import rewrite
from ....relative_positions import relative_positions
from ....sizes import is_traced
from ....windows import Pair, cut_map, join_map


@rewrite("projects.ViTDet.vitdet.vit.get_rel_pos")
def get_rel_pos(context: ExportContext, original: Any, q_size: Any, k_size: Any, rel_pos: torch.Tensor) -> torch.Tensor:
    """Relative positions (L, C) -> (q_size, k_size, C), for any sizes."""
    if not is_traced((q_size, k_size)):
        return original(q_size, k_size, rel_pos)
    return relative_positions(rel_pos, q_size, k_size)


@rewrite("projects.ViTDet.vitdet.vit.window_partition")
def window_partition(
    context: ExportContext, original: Any, x: torch.Tensor, window_size: int
) -> Tuple[torch.Tensor, Pair]:
    """A map (N, H, W, C) in windows (N * windows, h, w, C), padded to whole ones."""
    return cut_map(x, window_size)


@rewrite("projects.ViTDet.vitdet.vit.window_unpartition")
def window_unpartition(
    context: ExportContext, original: Any, windows: torch.Tensor, window_size: int, pad_hw: Pair, hw: Pair
) -> torch.Tensor:
    """The map (N, H, W, C) again, without what it was padded with."""
    return join_map(windows, window_size, pad_hw, hw)


@rewrite("projects.ViTDet.vitdet.vit.get_abs_pos")
def get_abs_pos(
    context: ExportContext, original: Any, abs_pos: torch.Tensor, has_cls_token: bool, hw: Pair
) -> torch.Tensor:
    """Positions (1, L, C) of a square map as (1, *hw, C); the trace would keep whether upstream resizes them."""
    if not is_traced(hw):
        return original(abs_pos, has_cls_token, hw)
    table = abs_pos[:, int(has_cls_token) :]
    side = math.isqrt(int(table.shape[1]))
    grid = table.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    return functional.interpolate(grid, size=hw, mode="bicubic", align_corners=False).permute(0, 2, 3, 1)
