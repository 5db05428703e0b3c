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
    values, place = maps.flatten(2).max(2)
    poses = torch.cat([_refined(maps, place) * _STEP + _MIDDLE, (values * middles[:, None])[..., None]], 2)
    index = context.image_index
    assert index is not None  # the head leaves one
    count = (index == image_numbers(context)[:, None]).long().sum(1)
    valid = torch.arange(longest(context, count), device=count.device) < count[:, None]
    found = Detections(poses, index, valid, poses, index)
    return {"preds": found.unflatten(poses), "scores": found.unflatten(poses[..., 2].mean(1) + 1) - 1}


def _refined(maps: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """(S, K, 2) x and y of places (S, K) int64, a quarter nearer to the better neighbour where there are two."""
    height, width = maps.shape[2:]
    y = torch.div(place, width, rounding_mode="trunc")
    found, flat = [], maps.flatten(2)
    for at, side, step in ((place - y * width, width, 1), (y, height, width)):
        inside = (at > 0) & (at < side - 1)
        before, after = (torch.where(inside, place + way * step, place) for way in (-1, 1))
        slope = flat.gather(2, after[..., None]) - flat.gather(2, before[..., None])
        found.append(at.to(maps) + torch.sign(slope[..., 0]) * 0.25)
    return torch.stack(found, 2)
