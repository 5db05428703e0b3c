"""Stand-in for ``mmdet/models/dense_heads/mask2former_head.py``."""

from typing import Any, List, Tuple

import torch

from ......environment import compat
from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmdet.models.dense_heads.mask2former_head.Mask2FormerHead.forward")
def forward(
    context: ExportContext, original: Any, self: Any, feats: List[torch.Tensor], img_metas: Any
) -> Tuple[List[torch.Tensor], List[torch.Tensor]]:
    """In 2.x, upstream's own can be traced."""
    if compat.is_second_generation():
        return original(self, feats, img_metas)
    return _for_any_batch(self, feats)


def _for_any_batch(self: Any, feats: List[torch.Tensor]) -> Tuple[List[torch.Tensor], List[torch.Tensor]]:
    """Upstream's forward for any number of images, which it counts in Python, and without its writes in place.

    Args:
        feats: per level (N, C, H, W).

    Returns:
        Lists with the last layer's logits (N, Q, classes + 1) and masks (N, Q, h, w).
    """
    levels = self.num_transformer_feat_level
    mask_feature, memories = self.pixel_decoder(feats)
    keys, places = zip(*(_keys(self, memory, level) for level, memory in enumerate(memories[:levels])))
    images = mask_feature.shape[0]
    query = self.query_feat.weight[:, None].expand(-1, images, -1)
    query_pos = self.query_embed.weight[:, None].expand(-1, images, -1)
    logits, masks, hidden = self.forward_head(query, mask_feature, memories[0].shape[-2:])
    for number in range(self.num_transformer_decoder_layers):
        level, following = number % levels, memories[(number + 1) % levels]
        # a query whose mask hides everything sees everything
        seen = (~hidden).to(query.dtype).max(-1, keepdim=True)[0] > 0
        query = self.transformer_decoder.layers[number](
            query=query,
            key=keys[level],
            value=keys[level],
            query_pos=query_pos,
            key_pos=places[level],
            attn_masks=[hidden & seen, None],
            query_key_padding_mask=None,
            key_padding_mask=None,
        )
        logits, masks, hidden = self.forward_head(query, mask_feature, following.shape[-2:])
    return [logits], [masks]


def _keys(head: Any, memory: torch.Tensor, level: int) -> Tuple[torch.Tensor, torch.Tensor]:
    """What the queries attend to on a level (N, C, h, w), and its positions: each (h * w, N, C)."""
    keys = head.decoder_input_projs[level](memory).flatten(2).permute(2, 0, 1)
    whole = memory.new_zeros((memory.shape[0], memory.shape[2], memory.shape[3]), dtype=torch.bool)
    places = head.decoder_positional_encoding(whole).flatten(2).permute(2, 0, 1)
    return keys + head.level_embed.weight[level].view(1, 1, -1), places
