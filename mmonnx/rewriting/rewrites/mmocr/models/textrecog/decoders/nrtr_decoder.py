"""Stand-in for the decoder of NRTR and SATRN: a transformer that reads what it has written."""

from typing import Any, List, Optional

import torch
from torch import nn

from ......symbolics import FAR, GreedyWeights, greedy_transformer
from .....context import ExportContext
from .....lines import beyond
from .....registry import rewrite

_BEFORE = ("norm", "self_attn", "norm", "enc_dec_attn", "norm", "ffn")


@rewrite("mmocr.models.textrecog.decoders.nrtr_decoder.NRTRDecoder.forward_test")
def forward_test(
    context: ExportContext, original: Any, self: Any, feat: Any, out_enc: torch.Tensor, img_metas: Any
) -> torch.Tensor:
    """One step of each layer for each character: upstream runs all of them on all characters again and again."""
    outside = beyond(context, out_enc.shape[1])
    layers = list(self.layer_stack)
    first = layers[0]
    gelu = type(first.mlp.act).__name__ == "GELU"
    if not (gelu or isinstance(first.mlp.act, nn.ReLU)):
        return original(self, feat, out_enc, img_metas)
    seen = torch.zeros_like(out_enc[:, :, 0])
    seen = seen if outside is None else seen.masked_fill(outside, FAR)
    return greedy_transformer(
        GreedyWeights._make(
            [
                self.trg_word_emb.weight,
                self.position_enc.position_table[0],
                *(torch.stack([_by_head(layer.enc_attn, name, out_enc) for layer in layers]) for name in ("k", "v")),
                seen,
                torch.stack(
                    [torch.stack([of_norm(getattr(layer, f"norm{one}")) for layer in layers]) for one in (1, 2, 3)]
                ),
                *stacked([[_linear(layer.self_attn, one) for one in "qkv"] for layer in layers]),
                *stacked([[layer.self_attn.fc] for layer in layers]),
                *stacked([[layer.enc_attn.linear_q] for layer in layers]),
                *stacked([[layer.enc_attn.fc] for layer in layers]),
                *stacked([[layer.mlp.w_1] for layer in layers]),
                *stacked([[layer.mlp.w_2] for layer in layers]),
                of_norm(self.layer_norm),
                self.classifier.weight.t(),
                self.classifier.bias,
            ]
        ),
        heads=int(first.self_attn.n_head),
        steps=int(self.max_seq_len),
        start=int(self.start_idx),
        padding=-1,  # which is no class
        gelu=int(gelu),
        before=int(tuple(first.operation_order) == _BEFORE),
        probs=1,
        eps=float(first.norm1.eps),
        last_eps=float(self.layer_norm.eps),
    )


def _linear(attention: Any, one: str) -> nn.Linear:
    found: nn.Linear = getattr(attention, f"linear_{one}")
    return found


def _by_head(attention: Any, one: str, memory: torch.Tensor) -> torch.Tensor:
    """(N, H, S, d), keys or values of what is looked at."""
    found = _linear(attention, one)(memory)
    return found.reshape(
        found.shape[0], -1, int(attention.n_head), int(found.shape[2]) // int(attention.n_head)
    ).transpose(1, 2)


def of_norm(norm: nn.LayerNorm) -> torch.Tensor:
    """(2, D), a norm's weight and bias."""
    return torch.stack([norm.weight, norm.bias])


def stacked(layers: List[List[nn.Linear]]) -> List[torch.Tensor]:
    """(L, in, out) and (L, out) of linear layers, those of one layer side by side."""
    weights = torch.stack([torch.cat([one.weight.t() for one in row], 1) for row in layers])
    return [weights, torch.stack([torch.cat([bias_of(one) for one in row]) for row in layers])]


def bias_of(layer: nn.Linear) -> torch.Tensor:
    """(out,), 0 of a layer without."""
    bias: Optional[torch.Tensor] = layer.bias
    return layer.weight.new_zeros(layer.weight.shape[0]) if bias is None else bias
