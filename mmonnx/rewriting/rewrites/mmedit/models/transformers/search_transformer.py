"""Stand-ins for the search of TTSR for textures in a reference."""

from typing import Any, List, Sequence, Tuple

import torch
from torch.nn import functional

from ....context import ExportContext
from ....overlapping import fold
from ....registry import rewrite


@rewrite("mmedit.models.transformers.search_transformer.SearchTransformer.forward")
def forward(
    context: ExportContext,
    original: Any,
    self: Any,
    lq_up: torch.Tensor,
    ref_downup: torch.Tensor,
    refs: Sequence[torch.Tensor],
) -> Tuple[torch.Tensor, List[torch.Tensor]]:
    """How good the best places of a reference are, (N, 1, H, W), and their textures, of any size.

    Upstream's puts the textures into maps by ``fold``, for which ONNX has no operator before opset 18.
    """
    query = functional.normalize(functional.unfold(lq_up, kernel_size=(3, 3), padding=1), dim=1)
    key = functional.unfold(ref_downup, kernel_size=(3, 3), padding=1).permute(0, 2, 1)
    best, places = torch.max(torch.bmm(functional.normalize(key, dim=2), query), dim=1)
    textures = []
    for level, ref in enumerate(refs):
        step = 2**level
        values = functional.unfold(ref, kernel_size=3 * step, padding=step, stride=step)
        chosen = self.gather(values, 2, places)
        textures.append(fold(chosen, lq_up.shape[2:], 3 * step, step, step) / 9.0)
    return best.reshape(best.shape[0], 1, *lq_up.shape[2:]), textures
