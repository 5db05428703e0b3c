"""Stand-ins for MixMIM."""

from typing import Any

import torch

from ....context import ExportContext
from ....registry import rewrite
from ....windows import join


@rewrite("mmpretrain.models.backbones.mixmim.MixMIMBlock.window_reverse")
def window_reverse(
    context: ExportContext, original: Any, windows: torch.Tensor, H: Any, W: Any, window_size: int
) -> torch.Tensor:
    """Windows (N * windows, h, w, C) -> (N, H, W, C), of any batch; upstream's counts the images in Python."""
    return join(windows, (H, W), (window_size, window_size), int(windows.shape[3]))
