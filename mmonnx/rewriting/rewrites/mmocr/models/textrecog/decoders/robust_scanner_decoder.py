"""Stand-in for RobustScanner's decoder."""

from typing import Any, List

import torch
from torch.nn import functional

from .....context import ExportContext
from .....registry import rewrite
from .sequence_attention_decoder import Reader


@rewrite("mmocr.models.textrecog.decoders.robust_scanner_decoder.RobustScannerDecoder.forward_test")
def forward_test(
    context: ExportContext, original: Any, self: Any, feat: torch.Tensor, out_enc: torch.Tensor, img_metas: Any
) -> torch.Tensor:
    """One step of the recurrent layers for each character: upstream runs all of them again and again."""
    by_place = self.position_decoder.forward_test(feat, out_enc, img_metas)
    reader = Reader(context, self.hybrid_decoder, feat, out_enc)
    scores: List[torch.Tensor] = []
    token = reader.start
    for number in range(self.max_seq_len):
        fused = self.fusion_module(reader.read(token), by_place[:, number])
        scores.append(functional.softmax(self.prediction(fused), -1))
        token = scores[-1].argmax(1)
    return torch.stack(scores, 1)
