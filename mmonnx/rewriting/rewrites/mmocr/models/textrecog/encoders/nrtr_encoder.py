"""Stand-in for the mask of NRTR's encoder."""

from typing import Any, Optional

import torch

from .....context import ExportContext
from .....lines import beyond
from .....registry import rewrite


@rewrite("mmocr.models.textrecog.encoders.nrtr_encoder.NRTREncoder._get_mask")
def get_mask(
    context: ExportContext, original: Any, self: Any, logit: torch.Tensor, img_metas: Any
) -> Optional[torch.Tensor]:
    """(N, T), 0 beyond each picture, as upstream has it of all places in a row; None where there is nothing beyond."""
    outside = beyond(context, logit.shape[1])
    return None if outside is None else (~outside).to(logit)
