"""Stand-in for RobustScanner's attention by position."""

from typing import Any

import torch

from .....context import ExportContext
from .....lines import beyond
from .....registry import rewrite
from .sequence_attention_decoder import attended


@rewrite("mmocr.models.textrecog.decoders.position_attention_decoder.PositionAttentionDecoder.forward_test")
def forward_test(
    context: ExportContext, original: Any, self: Any, feat: torch.Tensor, out_enc: torch.Tensor, img_metas: Any
) -> torch.Tensor:
    """Padding is masked by comparison: upstream writes it in a loop. See the original."""
    places = torch.arange(self.max_seq_len, device=feat.device)
    query = self.embedding(places)[None].expand(feat.shape[0], -1, -1)
    value = out_enc if self.encode_value else feat
    outside = beyond(context, feat.shape[3]) if self.mask else None
    found = attended(self.attention_layer, query, self.position_aware_module(out_enc), value, outside)
    return found if self.return_feature else self.prediction(found)
