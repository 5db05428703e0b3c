"""Stand-ins for ``mmdet/models/roi_heads/mask_heads/grid_head.py``."""

from typing import Any

import torch

from .....batched import divide
from .....context import ExportContext
from .....registry import rewrite

_HEAD = "mmdet.models.roi_heads.mask_heads.grid_head.GridHead."


@rewrite(_HEAD + "get_bboxes")
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
    return torch.cat([_voted(self, det_bboxes, grid_pred), det_bboxes[:, 4:]], 1)


@rewrite(_HEAD + "_predict_by_feat_single")
def predict_by_feat_single(
    context: ExportContext,
    original: Any,
    self: Any,
    grid_pred: torch.Tensor,
    bboxes: torch.Tensor,
    img_meta: Any,
    rescale: bool = False,
) -> torch.Tensor:
    """What ``get_bboxes`` is in 2.x, for boxes (K, 4); it clips a copy too."""
    return _voted(self, bboxes, grid_pred)


def _voted(self: Any, boxes: torch.Tensor, grid_pred: torch.Tensor) -> torch.Tensor:
    """The boxes (K, 4) that the grid points vote for, each for its sides: see :func:`get_bboxes`."""
    height, width = int(grid_pred.shape[2]), int(grid_pred.shape[3])
    score, position = grid_pred.sigmoid().flatten(2).max(2)  # (K, points)
    row = divide(position, width)
    offset = position.new_tensor(self.sub_regions)[:, :2]  # the point's window in the whole map
    x = (position - row * width + offset[:, 0]).to(score.dtype)
    y = (row + offset[:, 1]).to(score.dtype)
    size = (boxes[:, 2:4] - boxes[:, :2])[:, None]
    # the map covers a box twice as large about the same center
    corner = boxes[:, None, :2] - size / 2
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
    return torch.cat(sides, 1)
