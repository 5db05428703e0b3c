"""Stand-in for ``mmdet/models/layers/transformer/ddq_detr_layers.py`` of 2.x."""

from typing import Any, Optional, Tuple

import torch

from .......environment import compat
from .....context import ExportContext
from .....distinct import DISTINCT, distinct
from .....registry import rewrite

_LAYERS = "mmdet.models.layers.transformer."


@rewrite(_LAYERS + "ddq_detr_layers.DDQTransformerDecoder.forward")
def forward(
    context: ExportContext,
    original: Any,
    self: Any,
    query: torch.Tensor,
    value: torch.Tensor,
    key_padding_mask: Optional[torch.Tensor],
    self_attn_mask: Optional[torch.Tensor],
    reference_points: torch.Tensor,
    spatial_shapes: torch.Tensor,
    level_start_index: torch.Tensor,
    valid_ratios: torch.Tensor,
    reg_branches: Any,
    **kwargs: Any,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """The decoder where the queries of an image are chosen without a loop over images.

    Args:
        query: (N, Q, C), value: (N, S, C), key_padding_mask: (N, S) bool or None.
        self_attn_mask: None, as always in inference.
        reference_points: (N, Q, 4) ``(center x, center y, width, height)`` in parts of the image.
        spatial_shapes, level_start_index, valid_ratios: of the levels (L, 2), (L,), (N, L, 2).

    Returns:
        States (layers, N, Q, C) and references (1 + layers, N, Q, 4); ``distinct_queries`` says which of them count.
    """
    inverse_sigmoid, encoded = (
        compat.upstream(_LAYERS + f"utils.{name}") for name in ("inverse_sigmoid", "coordinate_to_encoding")
    )
    ratios = torch.cat([valid_ratios, valid_ratios], -1)[:, None]
    alive = torch.ones_like(query[..., 0], dtype=torch.bool)
    hidden, states, references = None, [], [reference_points]
    for number, layer in enumerate(self.layers):
        reference = references[-1][:, :, None] * ratios
        query = layer(
            query,
            query_pos=self.ref_point_head(encoded(reference[:, :, 0], num_feats=self.embed_dims // 2)),
            value=value,
            key_padding_mask=key_padding_mask,
            self_attn_mask=hidden,
            spatial_shapes=spatial_shapes,
            level_start_index=level_start_index,
            valid_ratios=valid_ratios,
            reference_points=reference,
            **kwargs,
        )
        moved = (reg_branches[number](query) + inverse_sigmoid(references[-1], eps=1e-3)).sigmoid()
        if number < len(self.layers) - 1:
            kept = _kept(context, self.cache_dict, query, moved, alive, number)
            hidden = (~kept[:, :, None] & ~kept[:, None]).repeat_interleave(self.cache_dict["num_heads"], 0)
            # upstream reads them from the mask of the first query, which looks everywhere where it is kept itself
            alive = kept | kept[:, :1]
        states.append(self.norm(query))
        references.append(moved)
    context.extras[DISTINCT] = alive
    return torch.stack(states), torch.stack(references)


def _kept(
    context: ExportContext, shared: Any, query: torch.Tensor, reference: torch.Tensor, alive: torch.Tensor, number: int
) -> torch.Tensor:
    """What ``select_distinct_queries`` keeps of those alive, (N, Q) bool."""
    scores = shared["cls_branches"][number](query).sigmoid().max(-1)[0]
    corners = compat.upstream("mmdet.core.bbox.transforms.bbox_cxcywh_to_xyxy")(reference)
    return distinct(context, corners, scores, alive, shared["dqs_cfg"])
