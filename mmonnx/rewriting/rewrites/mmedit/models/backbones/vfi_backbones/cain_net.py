"""Stand-ins for CAIN's network."""

from typing import Any, Callable, Tuple

import torch

from .....context import ExportContext
from .....padding import mirrored, repeated
from .....registry import rewrite
from .....sizes import ceil_divide, floor_divide

Padding = Callable[[torch.Tensor], torch.Tensor]


@rewrite("mmedit.models.backbones.vfi_backbones.cain_net.get_padding_functions")
def get_padding_functions(
    context: ExportContext, original: Any, x: torch.Tensor, padding: int = 7
) -> Tuple[Padding, Padding]:
    """What pads pictures (..., H, W) around to multiples of ``2**padding``, and what takes that away again.

    They are padded for any size, by nothing for some. A picture that is too small to be mirrored has its last pixels
    repeated, on all sides.
    """
    sizes = x.shape[-2:]
    more = [ceil_divide(size, 2**padding) * 2**padding - size for size in sizes]
    before = [floor_divide(total, 2) for total in more]
    after = [total - first for total, first in zip(more, before)]
    small = [torch.as_tensor(end >= size, device=x.device) for end, size in zip(after, sizes)]
    repeats = small[0] | small[1]

    def pad(image: torch.Tensor) -> torch.Tensor:
        for axis, size, first, total in zip((-2, -1), sizes, before, more):
            place = torch.arange(size + total, device=image.device) - first
            image = image.index_select(axis, torch.where(repeats, repeated(place, size), mirrored(place, size)))
        return image

    def cut(image: torch.Tensor) -> torch.Tensor:
        (high, wide), (top, left) = sizes, before
        return image[..., top : top + high, left : left + wide]

    return pad, cut
