"""Stand-ins for SAR's decoders: a character a step, each by attention to the picture's features."""

from typing import Any, List, Optional

import torch
from torch.nn import functional

from ..... import recurrent
from .....context import ExportContext
from .....lines import beyond
from .....registry import rewrite

_PATH = "mmocr.models.textrecog.decoders.sar_decoder"


@rewrite(f"{_PATH}.ParallelSARDecoder.forward_test")
def parallel(
    context: ExportContext, original: Any, self: Any, feat: torch.Tensor, out_enc: torch.Tensor, img_metas: Any
) -> torch.Tensor:
    """One step of the recurrent layers for each character: upstream runs all of them again and again."""
    if not recurrent.takes_steps(self.rnn_decoder):
        return original(self, feat, out_enc, img_metas)
    keys, outside = self.conv3x3_1(feat), _outside(context, self, feat)
    _, state = recurrent.step(self.rnn_decoder, out_enc, recurrent.at_rest(self.rnn_decoder, out_enc))
    token, found = _start(self, feat), []
    for _ in range(self.max_seq_len):
        hidden, state = recurrent.step(self.rnn_decoder, self.embedding(token), state)
        weights = torch.tanh(keys + self.conv1x1_1(hidden)[:, :, None, None]).permute(0, 2, 3, 1)
        glimpse = _glimpse(feat, self.conv1x1_2(weights)[..., 0], outside)
        parts = [hidden, glimpse, out_enc] if self.pred_concat else [glimpse]
        found.append(functional.softmax(self.prediction(torch.cat(parts, 1)), -1))
        token = found[-1].argmax(1)
    return torch.stack(found, 1)


@rewrite(f"{_PATH}.SequentialSARDecoder.forward_test")
def sequential(
    context: ExportContext, original: Any, self: Any, feat: torch.Tensor, out_enc: torch.Tensor, img_metas: Any
) -> torch.Tensor:
    """The same with cells; the hidden state stands for the cell's from step to step, as upstream has it."""
    keys, outside = self.conv3x3_1(feat), _outside(context, self, feat)
    weights = [recurrent.cell_weights(cell) for cell in (self.rnn_decoder_layer1, self.rnn_decoder_layer2)]
    nothing = out_enc.new_zeros((out_enc.shape[0], self.rnn_decoder_layer1.hidden_size))
    first, first_cell = recurrent.cell_step(out_enc, nothing, nothing, weights[0])
    second, second_cell = recurrent.cell_step(first, nothing, nothing, weights[1])
    token = _start(self, feat)
    found: List[torch.Tensor] = []
    for _ in range(self.max_seq_len):
        first, _cell = recurrent.cell_step(self.embedding(token), first, first_cell, weights[0])
        second, _cell = recurrent.cell_step(first, second, second_cell, weights[1])
        first_cell, second_cell = first, second
        query = self.conv1x1_1(second[:, :, None, None])
        glimpse = _glimpse(feat, self.conv1x1_2(torch.tanh(keys + query))[:, 0], outside)
        parts = [second, glimpse, out_enc] if self.pred_concat else [glimpse]
        found.append(functional.softmax(self.prediction(torch.cat(parts, 1)), -1))
        token = found[-1].argmax(1)
    return torch.stack(found, 1)


def _start(self: Any, feat: torch.Tensor) -> torch.Tensor:
    """(N,) int64, the token that a text begins with."""
    return torch.full_like(feat[:, 0, 0, 0], self.start_idx, dtype=torch.long)


def _outside(context: ExportContext, self: Any, feat: torch.Tensor) -> Optional[torch.Tensor]:
    """(N, 1, W) bool, what is none of the picture."""
    found = beyond(context, feat.shape[3]) if self.mask else None
    return None if found is None else found[:, None]


def _glimpse(feat: torch.Tensor, scores: torch.Tensor, outside: Optional[torch.Tensor]) -> torch.Tensor:
    """(N, C), what attention by scores (N, H, W) sees of features (N, C, H, W)."""
    if outside is not None:
        scores = scores.masked_fill(outside, float("-inf"))
    weights = functional.softmax(scores.flatten(1), -1)
    return torch.matmul(feat.flatten(2), weights[..., None])[..., 0]
