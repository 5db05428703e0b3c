"""Stand-in for CID's head, which finds people by their middles and makes maps of each of them."""

from typing import Any, Mapping, Tuple

import torch
from torch.nn import functional

from .....symbolics import ABSENT
from ....batched import clip_k, compact
from ....context import ExportContext
from ....registry import rewrite

_LEAST = 1e-4
"""What upstream keeps heats away from 0 and 1 by."""
_WINDOWS = ((200, 3), (300, 5), (None, 7))
"""Up to what mean of a map's height and width which window has one middle at most."""


@rewrite("mmpose.models.heads.cid_head.CIDHead.forward_test")
def forward_test(
    context: ExportContext, original: Any, self: Any, features: torch.Tensor, test_cfg: Mapping[str, Any]
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Maps (S, K, h, w) and scores (S,) of the people of all images, image after image, for any number of either."""
    width = features.shape[3]
    values, place = _middles(_heats(self.keypoint_center_conv(features))[:, -1:], test_cfg)
    chosen = compact(context, values)
    image, position = context.image_index, place.reshape(-1)[chosen]
    assert image is not None  # ``compact`` leaves one
    rows = features.flatten(2).permute(0, 2, 1)[image, position]
    row = torch.div(position, width, rounding_mode="trunc")
    corners = torch.stack([row, position - row * width], 1)
    maps = self.conv_down(features)[image]
    both = torch.cat([self.c_attn(maps, rows), self.s_attn(maps, rows, corners)], 1)
    return _heats(self.heatmap_conv(functional.relu(self.fuse_attn(both)))), values.reshape(-1)[chosen]


def _middles(heat: torch.Tensor, test_cfg: Mapping[str, Any]) -> Tuple[torch.Tensor, torch.Tensor]:
    """(N, k) heats, and (N, k) int64 places, of the best middles of (N, 1, h, w); ``ABSENT`` where there is none."""
    kernel = int(test_cfg.get("center_pool_kernel", 3))
    heat = (heat + functional.avg_pool2d(heat, kernel, 1, (kernel - 1) // 2)) / 2.0
    size, best = torch.as_tensor(heat.shape[2] + heat.shape[3], device=heat.device) / 2.0, None
    for most, window in _WINDOWS[::-1]:
        pooled = functional.max_pool2d(heat, window, 1, window // 2)
        best = pooled if best is None else torch.where(size > most, best, pooled)
    flat = (heat * (heat == best)).flatten(1)
    count = clip_k(int(test_cfg.get("max_num_people", 30)), flat.shape[1])
    values, place = flat.topk(count, dim=1)
    threshold = float(test_cfg.get("detection_threshold", 0.01))
    return torch.where(values > threshold, values, torch.full_like(values, ABSENT)), place


def _heats(values: torch.Tensor) -> torch.Tensor:
    return values.sigmoid().clamp(_LEAST, 1 - _LEAST)
