"""Stand-in for SATRN's encoder."""

from typing import Any

import torch

from .....context import ExportContext
from .....lines import beyond
from .....registry import rewrite


@rewrite("mmocr.models.textrecog.encoders.satrn_encoder.SatrnEncoder.forward")
def forward(
    context: ExportContext, original: Any, self: Any, feat: torch.Tensor, img_metas: Any = None
) -> torch.Tensor:
    """The columns beyond each picture are masked by comparison: upstream writes them in a loop. See the original."""
    feat = feat + self.position_enc(feat)
    height, width = feat.shape[2:]
    outside, mask = beyond(context, width), None
    if outside is not None:
        mask = (~outside).to(feat)[:, None].expand(-1, height, -1).reshape(feat.shape[0], -1)
    output = feat.flatten(2).permute(0, 2, 1)
    for layer in self.layer_stack:
        output = layer(output, height, width, mask)
    return self.layer_norm(output)
