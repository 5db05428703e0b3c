"""Stand-in for ``mmcv/ops/psa_mask.py``."""

from typing import Any, Sequence, Union

import torch

from ....symbolics import psa_mask as symbolic
from ...context import ExportContext
from ...registry import rewrite


@rewrite("mmcv.ops.psa_mask.psa_mask")
def psa_mask(
    context: ExportContext, original: Any, input: torch.Tensor, psa_type: int, mask_size: Union[int, Sequence[int]]
) -> torch.Tensor:
    """Spread (N, h * w, H, W) masks over the map, (N, H * W, H, W)."""
    return symbolic.psa_mask(input, psa_type, mask_size)
