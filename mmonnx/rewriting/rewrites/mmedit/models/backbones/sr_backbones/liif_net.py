"""Stand-ins for LIIF's network."""

from typing import Any

import torch

from .....context import ExportContext
from .....registry import rewrite


@rewrite("mmedit.models.backbones.sr_backbones.liif_net.LIIFNet.batched_predict")
def batched_predict(
    context: ExportContext, original: Any, self: Any, x: torch.Tensor, coord: torch.Tensor, cell: torch.Tensor
) -> torch.Tensor:
    """(N, Q, 3) colours at (N, Q, 2) places, all at once: upstream's loop of parts is one of the sample's size."""
    return self.query_rgb(x, coord, cell)
