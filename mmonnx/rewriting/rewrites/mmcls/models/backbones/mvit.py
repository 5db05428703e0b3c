"""Stand-ins for MViT's relative positions."""

from typing import Any, Tuple

import torch
from torch.nn import functional

from ......environment import compat
from ....context import ExportContext
from ....registry import rewrite
from ....sizes import is_traced, true_ratio


@rewrite("mmcls.models.backbones.mvit.resize_decomposed_rel_pos")
def resize_decomposed_rel_pos(
    context: ExportContext, original: Any, rel_pos: torch.Tensor, q_size: Any, k_size: Any
) -> torch.Tensor:
    """Relative positions (L, C) -> (q_size, k_size, C), for any sizes."""
    if not is_traced((q_size, k_size)):
        return original(rel_pos, q_size, k_size)
    q_size, k_size = torch.as_tensor(q_size), torch.as_tensor(k_size)
    longest = 2 * torch.where(q_size > k_size, q_size, k_size) - 1
    resized = functional.interpolate(rel_pos.t()[None], size=(longest,), mode="linear")[0].t()
    q_ratio, k_ratio = true_ratio(k_size, q_size), true_ratio(q_size, k_size)
    # rounded where upstream's are: an index off by one would follow from any other way
    q_coords = torch.arange(q_size)[:, None] * q_ratio.float()
    k_coords = torch.arange(k_size)[None] * k_ratio.float()
    return resized[((q_coords - k_coords) + ((k_size - 1) * k_ratio).float()).long()]


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
