"""What upstream's ``HeatmapOffsetParser`` and ``nearby_joints_nms`` do, of a whole batch and in tensors alone.

Each picture has as many candidates, of which ``valid`` tells the real ones: nothing is empty in front of the end.
"""

from typing import Any, Optional, Tuple

import torch
from torch.nn import functional

from .....symbolics import set_nms
from ....batched import clip_k, divide

LEAST = -1e30
"""Less than any score."""


def decoded(parser: Any, heat: torch.Tensor, offsets: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """``HeatmapOffsetParser.decode``: the poses whose middles are hottest.

    Args:
        parser: upstream's, for its settings.
        heat: (N, 1, h, w) of the middles.
        offsets: (N, 2K, h, w), x and y of the first key point, of the second, and so on.

    Returns:
        (N, k, K, 2) x and y in places of the maps, (N, k) the heats of the middles, falling, and (N, k) bool, whether
        such a pose is there.
    """
    width = heat.shape[3]
    flat = (heat * (heat == parser.pool(heat)).to(heat)).flatten(1)
    values, place = flat.topk(clip_k(int(parser.max_num_people), flat.shape[1]), dim=1)
    row = divide(place, width)
    middles = torch.stack([place - row * width, row], 2).to(heat)
    away = offsets.flatten(2).gather(2, place[:, None].expand(-1, 2 * int(parser.num_joints), -1))
    away = away.permute(0, 2, 1).reshape(place.shape[0], place.shape[1], int(parser.num_joints), 2)
    return middles[:, :, None] - away, values, values > float(parser.keypoint_threshold)


def heats_at(heat: torch.Tensor, points: torch.Tensor, size: Tuple[Any, Any], align_corners: bool) -> torch.Tensor:
    """The heats (N, k, K) that ``HeatmapOffsetParser.refine_score`` gives key points.

    Upstream resizes the maps to the picture's size, and samples them there. Here the four pixels that each sample is
    made of are worked out alone, each of the four places of a map that resizing makes it of.

    Args:
        heat: (N, K, h, w).
        points: (N, k, K, 2) x and y in pixels.
        size: (height, width) of the picture in pixels.
        align_corners: how the maps are resized.
    """
    sides = torch.stack([torch.as_tensor(side, device=heat.device) for side in size[::-1]]).to(heat)
    # as sampling without aligned corners has it of shares that are worked out with them
    share = points / (sides - 1) * 2 - 1
    pixel = torch.minimum((((share + 1) * sides - 1) / 2).clamp(min=0), sides - 1)
    first = pixel.floor()
    part = pixel - first
    second = torch.minimum(first + 1, sides - 1)
    x, y = (torch.stack([first[..., axis], second[..., axis]], 3) for axis in (0, 1))
    corners = torch.stack([torch.cat([x, x], 3), torch.cat([y[..., :1], y[..., :1], y[..., 1:], y[..., 1:]], 3)], 4)
    grid = corners / (sides - 1) * 2 - 1 if align_corners else (2 * corners + 1) / sides - 1
    seen = functional.grid_sample(
        heat.flatten(0, 1)[:, None],
        grid.permute(0, 2, 1, 3, 4).flatten(0, 1),
        padding_mode="border",
        align_corners=align_corners,
    )
    across, down = part[..., 0], part[..., 1]
    weights = [(1 - across) * (1 - down), across * (1 - down), (1 - across) * down, across * down]
    seen = seen[:, 0].reshape(-1, int(points.shape[2]), points.shape[1], len(weights))
    return (seen.permute(0, 2, 1, 3) * torch.stack(weights, 3)).sum(3)


def nearby_joints_nms(
    points: torch.Tensor, scores: torch.Tensor, valid: torch.Tensor, dist_thr: float, nearby_thr: Optional[int]
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Which poses upstream's function of this name leaves, in its order; of equal scores the first goes first.

    Pose by pose, from the best score down, it asks who is near one that nobody has dropped. Of these it takes the best,
    and drops them all; but nothing happens where that one was dropped before. So a pose has its turn unless an earlier
    turn dropped it, or the one that it would take: a suppression as any other, of which :func:`set_nms` tells what is
    left.

    Args:
        points: (N, k, K, 2).
        scores: (N, k) of the poses.
        valid: (N, k) bool, which are there.
        dist_thr: up to what share of a pose's diagonal a key point is near another pose's.
        nearby_thr: more than so many key points are near where a pose is; None for half of them.

    Returns:
        (N, k) int64 the poses that are left, and (N, k) bool, how many of them there are.
    """
    nearby_thr = int(points.shape[2]) // 2 if nearby_thr is None else int(nearby_thr)
    extent = points.max(2)[0] - points.min(2)[0]
    diagonal = (extent * extent).sum(2).sqrt()
    gaps = points[:, :, None] - points[:, None]
    near = (gaps * gaps).sum(4).sqrt() < (diagonal * dist_thr)[:, :, None, None]
    both = valid[:, :, None] & valid[:, None]
    close = (near.to(points).sum(3) > nearby_thr) & both
    number = torch.arange(scores.shape[1], device=scores.device)
    least = scores.new_full((1,), LEAST)
    best, taken = torch.where(close, scores[:, None], least).max(2)
    taken = torch.where(best > LEAST / 2, taken, number)  # a pose that is one point is not even near itself
    equal = scores[:, :, None] == scores[:, None]
    earlier = (scores[:, :, None] > scores[:, None]) | (equal & (number[:, None] < number))
    drops = close | close.gather(2, taken[:, None].expand(-1, number.shape[0], -1))
    turns = set_nms((earlier & drops & both).to(scores), valid.to(scores)[:, None])[:, 0]
    before = (turns[:, :, None] * earlier.to(scores)).sum(1)
    values, order = torch.where(turns > 0, -before, least).topk(number.shape[0], dim=1)
    return taken.gather(1, order), values > LEAST / 2
