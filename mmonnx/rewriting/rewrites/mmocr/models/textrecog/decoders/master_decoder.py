"""Stand-in for MASTER's decoder: a transformer that reads what it has written."""

from typing import Any, List

import torch
from torch import nn

from ......symbolics import GreedyWeights, greedy_transformer
from .....context import ExportContext
from .....registry import rewrite
from .nrtr_decoder import of_norm, stacked

_ORDER = ("norm", "self_attn", "norm", "cross_attn", "norm", "ffn")


@rewrite("mmocr.models.textrecog.decoders.master_decoder.MasterDecoder.forward_test")
def forward_test(
    context: ExportContext, original: Any, self: Any, feat: torch.Tensor, out_enc: Any, img_metas: Any
) -> torch.Tensor:
    """A loop of the graph: upstream appends to the text, and runs all layers on all of it, again and again.

    What it gives are the scores of the last run. A text may have the padding's token inside of it, which sees what
    comes behind as well.
    """
    layers = list(self.decoder_layers)
    acts = [layer.ffns[0].layers[0][1] for layer in layers]
    if not all(isinstance(act, nn.ReLU) for act in acts) or tuple(layers[0].operation_order) != _ORDER:
        return original(self, feat, out_enc, img_metas)
    rows = feat.flatten(2).permute(0, 2, 1) if feat.dim() > 3 else feat
    memory = self.feat_positional_encoding(rows) if out_enc is None else out_enc
    own, other = ([layer.attentions[one].attn for layer in layers] for one in (0, 1))
    thirds = [_thirds(attention) for attention in other]
    return greedy_transformer(
        GreedyWeights._make(
            [
                self.embedding.lut.weight * self.embedding.d_model**0.5,
                self.positional_encoding.position_table[0],
                *(torch.stack([_by_head(memory, row[one], self.n_head) for row in thirds]) for one in (1, 2)),
                torch.zeros_like(memory[:, :, 0]),
                torch.stack([torch.stack([of_norm(layer.norms[one]) for layer in layers]) for one in range(3)]),
                torch.stack([attention.in_proj_weight.t() for attention in own]),
                torch.stack([attention.in_proj_bias for attention in own]),
                *stacked([[attention.out_proj] for attention in own]),
                torch.stack([row[0][0].t() for row in thirds]),
                torch.stack([row[0][1] for row in thirds]),
                *stacked([[attention.out_proj] for attention in other]),
                *stacked([[layer.ffns[0].layers[0][0]] for layer in layers]),
                *stacked([[layer.ffns[0].layers[1]] for layer in layers]),
                of_norm(self.norm),
                self.cls.weight.t(),
                self.cls.bias,
            ]
        ),
        heads=int(self.n_head),
        steps=int(self.max_seq_len),
        start=int(self.SOS),
        padding=int(self.PAD),
        gelu=0,
        before=1,
        probs=0,
        eps=float(layers[0].norms[0].eps),
        last_eps=float(self.norm.eps),
    )


def _thirds(attention: nn.MultiheadAttention) -> List[Any]:
    """The weights and biases of queries, keys and values."""
    assert attention.in_proj_weight is not None and attention.in_proj_bias is not None
    return list(zip(attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)))


def _by_head(memory: torch.Tensor, linear: Any, heads: int) -> torch.Tensor:
    """(N, H, S, d), keys or values of what is looked at."""
    found = torch.nn.functional.linear(memory, *linear)
    return found.reshape(found.shape[0], -1, heads, int(found.shape[2]) // heads).transpose(1, 2)
