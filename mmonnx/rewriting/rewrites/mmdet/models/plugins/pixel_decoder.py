"""Stand-in for ``mmdet/models/plugins/pixel_decoder.py``."""

from typing import Any, List, Tuple

import torch
from torch.nn import functional

from ......environment import compat
from ....context import ExportContext
from ....padding import padded_cells
from ....queries import sequence
from ....registry import rewrite


@rewrite("mmdet.models.plugins.pixel_decoder.TransformerEncoderPixelDecoder.forward")
def forward(
    context: ExportContext, original: Any, self: Any, feats: List[torch.Tensor], img_metas: Any
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Upstream's forward for any number of images, which it counts in Python.

    Args:
        feats: per level (N, C, H, W).

    Returns:
        The features of the masks (N, C, h, w), and what the encoder makes of the last level.
    """
    last = feats[-1]
    images, height, width = last.shape[0], last.shape[2], last.shape[3]
    padded = padded_cells(context, last)
    places = self.positional_encoding(padded)
    rows, places = sequence(self.encoder_in_proj(last)), sequence(places)
    mask = padded.flatten(1) if context.told_size else None
    if compat.is_second_generation():
        memory = self.encoder(query=rows, query_pos=places, key_padding_mask=mask).permute(0, 2, 1)
    else:
        memory = self.encoder(query=rows, key=None, value=None, query_pos=places, query_key_padding_mask=mask)
        memory = memory.permute(1, 2, 0)
    memory = memory.reshape(images, self.encoder_embed_dims, height, width)
    found = self.encoder_out_proj(memory)
    for lateral, output, level in reversed(list(zip(self.lateral_convs, self.output_convs, feats))):
        side = lateral(level)
        found = output(side + functional.interpolate(found, size=side.shape[-2:], mode="nearest"))
    return self.mask_feature(found), memory
