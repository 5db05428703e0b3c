"""Stand-in for ``mmdet/models/dense_heads/maskformer_head.py``."""

from typing import Any, List, Tuple

import torch

from ......environment import compat
from ....context import ExportContext
from ....padding import padded_cells
from ....queries import sequence
from ....registry import rewrite


@rewrite("mmdet.models.dense_heads.maskformer_head.MaskFormerHead.forward")
def forward(
    context: ExportContext, original: Any, self: Any, feats: List[torch.Tensor], img_metas: Any
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Upstream's forward for any number of images, which it counts in Python, and without its loop over them.

    Args:
        feats: per level (N, C, H, W).
        img_metas: data samples in 2.x, which are not used.

    Returns:
        The last layer's logits (1, N, Q, classes + 1) and masks (1, N, Q, h, w).
    """
    mask_feature, memory = self.pixel_decoder(feats, img_metas)
    images = feats[-1].shape[0]
    padded = padded_cells(context, memory)
    places = sequence(self.decoder_pe(padded))
    memory = sequence(self.decoder_input_proj(memory))
    images_first = compat.is_second_generation()
    query_pos = self.query_embed.weight
    query_pos = query_pos[None].expand(images, -1, -1) if images_first else query_pos[:, None].expand(-1, images, -1)
    states = self.transformer_decoder(
        query=torch.zeros_like(query_pos),
        key=memory,
        value=memory,
        key_pos=places,
        query_pos=query_pos,
        key_padding_mask=padded.flatten(1) if context.told_size else None,
    )
    state = states[-1] if images_first else states[-1].transpose(0, 1)  # (N, Q, C)
    masks = torch.einsum("bqc,bchw->bqhw", self.mask_embed(state), mask_feature)
    return self.cls_embed(state)[None], masks[None]
