"""Stand-ins for RobustScanner's attention by what was read before."""

from typing import Any, List, Optional, Tuple

import torch
from torch.nn import functional

from ..... import recurrent
from .....context import ExportContext
from .....lines import beyond
from .....registry import rewrite


@rewrite("mmocr.models.textrecog.decoders.sequence_attention_decoder.SequenceAttentionDecoder.forward_test")
def forward_test(
    context: ExportContext, original: Any, self: Any, feat: torch.Tensor, out_enc: torch.Tensor, img_metas: Any
) -> torch.Tensor:
    """One step of the recurrent layers for each character: upstream runs all of them again and again."""
    reader = Reader(context, self, feat, out_enc)
    found: List[torch.Tensor] = []
    token = reader.start
    for _ in range(self.max_seq_len):
        glimpse = reader.read(token)
        found.append(glimpse if self.return_feature else functional.softmax(self.prediction(glimpse), -1))
        token = found[-1].argmax(1)
    return torch.stack(found, 1)


class Reader:
    """Such a decoder at work on some pictures.

    Args:
        context: the export's.
        decoder: the decoder.
        feat: (N, C, H, W).
        out_enc: (N, D, H, W).

    Attributes:
        start: (N,) int64, the token that a text begins with.
    """

    def __init__(self, context: ExportContext, decoder: Any, feat: torch.Tensor, out_enc: torch.Tensor) -> None:
        self._decoder, self._keys = decoder, out_enc
        self._values = out_enc if decoder.encode_value else feat
        self._outside = beyond(context, feat.shape[3]) if decoder.mask else None
        self._state = recurrent.at_rest(decoder.sequence_layer, out_enc[:, :, 0, 0])
        self.start = torch.full_like(feat[:, 0, 0, 0], decoder.start_idx, dtype=torch.long)

    def read(self, token: torch.Tensor) -> torch.Tensor:
        """(N, C), what is seen next, behind a token (N,)."""
        layer = self._decoder.sequence_layer
        query, self._state = recurrent.step(layer, self._decoder.embedding(token), self._state)
        return attended(self._decoder.attention_layer, query[:, None], self._keys, self._values, self._outside)[:, 0]


def attended(
    layer: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, outside: Optional[torch.Tensor]
) -> torch.Tensor:
    """What a ``DotProductAttentionLayer`` sees, (N, L, C).

    Args:
        layer: which has the scale.
        query: (N, L, D).
        key, value: (N, D, H, W), (N, C, H, W).
        outside: (N, W) bool, columns that are not seen; None for none.
    """
    scores = torch.matmul(query, key.flatten(2)) * layer.scale
    if outside is not None:
        size: Tuple[Any, ...] = (-1, int(query.shape[1]), key.shape[2], -1)
        scores = scores.masked_fill(outside[:, None, None].expand(*size).flatten(2), float("-inf"))
    return torch.matmul(functional.softmax(scores, 2), value.flatten(2).transpose(1, 2))
