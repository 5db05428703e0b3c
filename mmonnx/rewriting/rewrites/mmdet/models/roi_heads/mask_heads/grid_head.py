"""Stand-in for ``mmdet/models/roi_heads/mask_heads/grid_head.py``."""

from typing import Any

import torch

from .....batched import divide
from .....context import ExportContext
from .....registry import rewrite


@rewrite("mmdet.models.roi_heads.mask_heads.grid_head.GridHead.get_bboxes")
def get_bboxes(
    context: ExportContext, original: Any, self: Any, det_bboxes: torch.Tensor, grid_pred: torch.Tensor, img_metas: Any
) -> torch.Tensor:
    """Vote the sides of each box by its grid points, without upstream's writes in place.

    Upstream means to clip the boxes to the image, but clips a copy; so they are not clipped here either.

    Args:
        det_bboxes: (K, 5).
        grid_pred: (K, points, h, w) logits.

    Returns:
        (K, 5) boxes and their scores.
    """
    height, width = int(grid_pred.shape[2]), int(grid_pred.shape[3])
    score, position = grid_pred.sigmoid().flatten(2).max(2)  # (K, points)
    row = divide(position, width)
    offset = position.new_tensor(self.sub_regions)[:, :2]  # the point's window in the whole map
    x = (position - row * width + offset[:, 0]).to(score.dtype)
    y = (row + offset[:, 1]).to(score.dtype)
    size = (det_bboxes[:, 2:4] - det_bboxes[:, :2])[:, None]
    # the map covers a box twice as large about the same center
    corner = det_bboxes[:, None, :2] - size / 2
    x = (x + 0.5) / width * size[..., 0] + corner[..., 0]
    y = (y + 0.5) / height * size[..., 1] + corner[..., 1]
    count, side = self.grid_points, self.grid_size
    votes = (
        (x, range(side)),
        (y, range(0, count, side)),
        (x, range(count - side, count)),
        (y, range(side - 1, count, side)),
    )
    sides = []
    for values, points in votes:
        chosen = torch.tensor(list(points), device=score.device)
        weight = score[:, chosen]
        sides.append((values[:, chosen] * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True))
    return torch.cat(sides + [det_bboxes[:, 4:]], 1)
