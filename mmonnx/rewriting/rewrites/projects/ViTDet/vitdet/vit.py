"""Stand-ins for the vision transformer of ViTDet, of which SAM has most."""

import math
from typing import Any

import torch
from torch.nn import functional

from ....context import ExportContext
from ....mmpretrain.models.backbones import vit_sam
from ....registry import rewrite
from ....sizes import is_traced
from ....windows import Pair

for _function in (vit_sam.get_rel_pos, vit_sam.window_partition, vit_sam.window_unpartition):
    rewrite(f"projects.ViTDet.vitdet.vit.{_function.__name__}")(_function)


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
