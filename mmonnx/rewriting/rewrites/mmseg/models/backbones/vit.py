"""Stand-ins for the vision transformer."""

from typing import Any

import torch

from ....context import ExportContext
from ....registry import rewrite
from ....sizes import is_traced


@rewrite("mmseg.models.backbones.vit.VisionTransformer._pos_embeding")
def pos_embeding(
    context: ExportContext, original: Any, self: Any, patched_img: torch.Tensor, hw_shape: Any, pos_embed: torch.Tensor
) -> torch.Tensor:
    """Add the position embedding (1, L, C) to patches, for any size; the trace would keep whether upstream resizes."""
    if not is_traced(tuple(hw_shape)):
        return original(self, patched_img, hw_shape, pos_embed)
    own = tuple(int(side) // self.patch_size for side in self.img_size)
    return self.drop_after_pos(patched_img + self.resize_pos_embed(pos_embed, hw_shape, own, self.interpolate_mode))
