"""Stand-ins for the head of PointRend."""

from typing import Any, Callable, Tuple

import torch

from ....batched import clip_k, divide
from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmseg.models.decode_heads.point_head.PointHead.get_points_test")
def get_points_test(
    context: ExportContext,
    original: Any,
    self: Any,
    seg_logits: torch.Tensor,
    uncertainty_func: Callable[[torch.Tensor], torch.Tensor],
    cfg: Any,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """The least certain places of (N, K, H, W) logits, as many as there are up to a limit.

    Returns:
        Their indices (N, P) in H * W, and where they are (N, P, 2), ``(x, y)`` in parts of the width and the height.
    """
    height, width = seg_logits.shape[2:]
    uncertainty = uncertainty_func(seg_logits).flatten(1)
    index = uncertainty.topk(clip_k(cfg.subdivision_num_points, height * width), dim=1)[1]
    row = divide(index, width)
    place = torch.stack([index - row * width, row], 2).to(seg_logits.dtype)
    size = torch.stack([torch.as_tensor(side, device=seg_logits.device) for side in (width, height)])
    return index, (place + 0.5) / size.to(place)
