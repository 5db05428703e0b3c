"""Stand-in for CID's own test, which takes one picture, and makes arrays of what it finds."""

from typing import Any, Dict

import torch
from torch.nn import functional

from ....batched import image_numbers, longest
from ....context import Detections, ExportContext
from ....registry import rewrite

_STEP, _MIDDLE = 4, 2
"""Pixels from one place of a map to the next, and to the middle of the first."""


@rewrite("mmpose.models.detectors.cid.CID.forward_test")
def forward_test(
    context: ExportContext, original: Any, self: Any, img: torch.Tensor, img_metas: Any, **kwargs: Any
) -> Dict[str, torch.Tensor]:
    """``preds`` (N, P, K, 3) in pixels of the input, and ``scores`` (N, P), -1 where an image has fewer people."""
    maps, middles = self.keypoint_head(self.backbone(img), self.test_cfg)
    kernel = int(self.test_cfg.get("center_pool_kernel", 3))
    maps = (maps + functional.avg_pool2d(maps, kernel, 1, (kernel - 1) // 2)) / 2.0
    best, columns = maps.max(3)
    values, y = best.max(2)
    x = columns.gather(2, y[..., None])[..., 0]
    poses = torch.cat([_refined(maps, x, y) * _STEP + _MIDDLE, (values * middles[:, None])[..., None]], 2)
    index = context.image_index
    assert index is not None  # the head leaves one
    count = (index == image_numbers(context)[:, None]).long().sum(1)
    valid = torch.arange(longest(context, count), device=count.device) < count[:, None]
    found = Detections(poses, index, valid, poses, index)
    return {"preds": found.unflatten(poses), "scores": found.unflatten(poses[..., 2].mean(1) + 1) - 1}


def _refined(maps: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(S, K, 2) places of maps (S, K, h, w), a quarter nearer to the better neighbour where there are two.

    No map is given another shape: of none at all its sides could not be worked out.
    """
    across = maps.gather(2, y[..., None, None] + torch.zeros_like(maps[:, :, :1], dtype=torch.long))[:, :, 0]
    down = maps.gather(3, x[..., None, None] + torch.zeros_like(maps[..., :1], dtype=torch.long))[..., 0]
    found = []
    for at, line in ((x, across), (y, down)):
        inside = (at > 0) & (at < line.shape[2] - 1)
        before, after = (torch.where(inside, at + way, at)[..., None] for way in (-1, 1))
        slope = line.gather(2, after) - line.gather(2, before)
        found.append(at.to(maps) + torch.sign(slope[..., 0]) * 0.25)
    return torch.stack(found, 2)
