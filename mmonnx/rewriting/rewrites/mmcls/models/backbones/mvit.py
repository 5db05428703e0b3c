"""Stand-ins for MViT's relative positions."""

from typing import Any, Tuple

import torch

from ......environment import compat
from ....context import ExportContext
from ....registry import rewrite
from ....relative_positions import relative_positions
from ....sizes import is_traced


@rewrite("mmcls.models.backbones.mvit.resize_decomposed_rel_pos")
def resize_decomposed_rel_pos(
    context: ExportContext, original: Any, rel_pos: torch.Tensor, q_size: Any, k_size: Any
) -> torch.Tensor:
    """Relative positions (L, C) -> (q_size, k_size, C), for any sizes."""
    if not is_traced((q_size, k_size)):
        return original(rel_pos, q_size, k_size)
    return relative_positions(rel_pos, q_size, k_size)


@rewrite("mmcls.models.backbones.mvit.add_decomposed_rel_pos")
def add_decomposed_rel_pos(
    context: ExportContext,
    original: Any,
    attn: torch.Tensor,
    q: torch.Tensor,
    q_shape: Tuple[Any, Any],
    k_shape: Tuple[Any, Any],
    rel_pos_h: torch.Tensor,
    rel_pos_w: torch.Tensor,
    has_cls_token: bool = False,
) -> torch.Tensor:
    """Add the relative positions to the attention (N, heads, queries, keys), not in place as upstream does."""
    resize = compat.upstream("mmcls.models.backbones.mvit.resize_decomposed_rel_pos")

    if has_cls_token:
        return original(attn, q, q_shape, k_shape, rel_pos_h, rel_pos_w, has_cls_token)
    (q_h, q_w), (k_h, k_w) = q_shape, k_shape
    heads, channels = int(q.shape[1]), int(q.shape[3])
    query = q.reshape(-1, heads, q_h, q_w, channels)
    rows = torch.einsum("byhwc,hkc->byhwk", query, resize(rel_pos_h, q_h, k_h))
    columns = torch.einsum("byhwc,wkc->byhwk", query, resize(rel_pos_w, q_w, k_w))
    attn = attn.reshape(-1, heads, q_h, q_w, k_h, k_w) + rows[..., :, None] + columns[..., None, :]
    return attn.reshape(-1, heads, q_h * q_w, k_h * k_w)
