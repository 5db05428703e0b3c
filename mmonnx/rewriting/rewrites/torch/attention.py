"""Stand-in for ``torch.nn.functional``'s attention."""

from typing import Any, Optional

import torch

from ..context import ExportContext
from ..registry import rewrite

_OPSET = 14
"""The first that torch has a symbolic of it for."""
_BLIND_GIVES_ZERO = hasattr(torch, "_safe_softmax")
"""Whether a query that may look nowhere gives zeros, as of torch 2.5; NaN before."""


@rewrite("torch.nn.functional.scaled_dot_product_attention")
def scaled_dot_product_attention(
    context: ExportContext,
    original: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: Optional[torch.Tensor] = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: Optional[float] = None,
    **options: Any,
) -> torch.Tensor:
    """What torch's own does, in operators of older opsets.

    Args:
        query: (..., L, E), key: (..., S, E), value: (..., S, F).
        attn_mask: (..., L, S), bool (where to look) or float (to be added).

    Returns:
        (..., L, F).
    """
    # torch's own symbolic gives NaN for such a query
    knows = context.opset >= _OPSET and (attn_mask is None or not _BLIND_GIVES_ZERO)
    if not torch.jit.is_tracing() or knows or dropout_p or any(options.values()):
        own = {} if scale is None else {"scale": scale}  # torch 2.0 knows none
        return original(query, key, value, attn_mask, dropout_p, is_causal, **own, **options)
    scale = int(query.shape[-1]) ** -0.5 if scale is None else scale
    scores = torch.matmul(query * scale, key.transpose(-2, -1))
    if is_causal:
        row, column = (torch.arange(tensor.shape[-2], device=tensor.device) for tensor in (query, key))
        attn_mask = column <= row[:, None]
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = torch.where(attn_mask, scores, scores.new_full((1,), -float("inf")))
    elif attn_mask is not None:
        scores = scores + attn_mask
    weights = scores.softmax(-1)
    if attn_mask is not None and _BLIND_GIVES_ZERO:
        weights = torch.where(scores == -float("inf"), weights.new_zeros(1), weights)
    return torch.matmul(weights, value)
