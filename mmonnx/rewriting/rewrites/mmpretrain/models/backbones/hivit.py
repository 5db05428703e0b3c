"""Stand-ins for HiViT, which iTPN has as well."""

from typing import Any

import torch

from ....context import ExportContext
from ....registry import rewrite
from ....resizing import resize_by
from ....sizes import is_traced


@rewrite("mmpretrain.models.backbones.hivit.HiViT.interpolate_pos_encoding")
def interpolate_pos_encoding(
    context: ExportContext, original: Any, self: Any, x: torch.Tensor, h: Any, w: Any
) -> torch.Tensor:
    """The position embedding (1, L, C) for an image of h x w pixels; the trace would keep whether it is resized.

    Upstream resizes by a factor that is a little more than that of the sizes, but for square images of the
    embedding's own size: there it is 1, by which nothing is resized.
    """
    if not is_traced((h, w)):
        return original(self, x, h, w)
    table = self.pos_embed
    side = round(int(table.shape[1]) ** 0.5)
    rows, columns = h // self.patch_size, w // self.patch_size
    own = (rows * columns == side * side) & (h == w)
    factors = [torch.where(own, 1.0, (count + 0.1) / side) for count in (rows, columns)]
    resized = resize_by(table.reshape(1, side, side, -1).permute(0, 3, 1, 2), factors, "bicubic", None)
    return resized.flatten(2).transpose(1, 2)
