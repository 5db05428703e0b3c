"""Point sets and polygons: the smallest rectangles around sets, overlaps of their hulls, and what lies inside."""

from itertools import combinations, permutations
from typing import Tuple

import torch

from .registry import operator

_SETS = 1 << 12
"""Point sets, or pairs of a set and a polygon, per step."""
_EQUAL = 1e-5
"""What two areas may differ by, as a share, and still be the same."""


def smallest_rectangles(points: torch.Tensor) -> torch.Tensor:
    """The rectangle of the least area around each set of points.

    One of its sides lies on a side of the points' hull, so that the ways from each point to each other are all the
    directions there are to try: others than the hull's sides give no less.

    Args:
        points: (N, K, 2) x and y, K of two or more.

    Returns:
        (N, 4, 2) corners in turn.
    """
    first, second = zip(*combinations(range(points.shape[1]), 2))
    way = points[:, list(second)] - points[:, list(first)]
    # turned by quarters into the first quadrant: then as mmcv's kernel takes the angles
    x, y = way[..., 0], way[..., 1]
    turned = (x <= 0) & (y > 0) | (x >= 0) & (y < 0)
    x, y = torch.where(turned, y, x).abs(), torch.where(turned, x, y).abs()
    length = (x * x + y * y).sqrt()
    nowhere = length == 0
    length = torch.where(nowhere, torch.ones_like(length), length)
    cos, sin = torch.where(nowhere, torch.ones_like(x), x / length), y / length
    along = cos[:, :, None] * points[:, None, :, 0] + sin[:, :, None] * points[:, None, :, 1]
    across = cos[:, :, None] * points[:, None, :, 1] - sin[:, :, None] * points[:, None, :, 0]
    bounds = torch.stack((along.min(2)[0], across.min(2)[0], along.max(2)[0], across.max(2)[0], cos, sin), 2)
    area = (bounds[..., 2] - bounds[..., 0]) * (bounds[..., 3] - bounds[..., 1])
    # all three around a triangle are equally small: the first of them is taken, however they are rounded
    smallest = area <= area.min(1, keepdim=True)[0] * (1 + _EQUAL)
    best = smallest.to(area.dtype).argmax(1) + torch.arange(points.shape[0], device=points.device) * len(first)
    low, bottom, high, top, cos, sin = bounds.reshape(-1, 6)[best].unbind(1)
    corners = ((high, bottom), (low, bottom), (low, top), (high, top))
    return torch.stack([torch.stack((x * cos - y * sin, x * sin + y * cos), 1) for x, y in corners], 1)


@operator
def min_area_polygons(pointsets: torch.Tensor, polygons: torch.Tensor) -> None:
    """The rectangle of the least area around each set of nine points.

    Args:
        pointsets: (N, 18) x and y of each.
        polygons: (N, 8), filled with x and y of the corners.
    """
    for points, rows in zip(pointsets.split(_SETS), polygons.split(_SETS)):
        rows.copy_(smallest_rectangles(points.reshape(-1, 9, 2)).flatten(1))


def _cross(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    return one[..., 0] * two[..., 1] - one[..., 1] * two[..., 0]


def _hulls(points: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
    """The sides (N, K, 2) and (N, K, 2), from and to, of the hulls of (N, K, 2) points; those too many have no length.

    They go round the hull, x to y, in no order: sums over sides need none.
    """
    count = points.shape[1]
    start, end = (list(one) for one in zip(*permutations(range(count), 2)))
    way, others = points[:, end] - points[:, start], points[:, None] - points[:, start][:, :, None]
    side = _cross(way[:, :, None], others)
    along, length = (way[:, :, None] * others).sum(-1), (way * way).sum(-1)
    number = torch.arange(count, device=points.device)
    # of points in one place, the first is the corner
    double = (points[:, :, None] == points[:, None]).all(-1) & (number < number[:, None])
    single = ~double.any(2)
    between = (side == 0) & (along >= 0) & (along <= length[:, :, None])
    is_side = ((side > 0) | between).all(2) & (length > 0) & single[:, start] & single[:, end]
    chosen = is_side.to(points.dtype).topk(min(count, is_side.shape[1]), dim=1)[1]
    rows = torch.arange(len(points), device=points.device)[:, None]
    here = points[rows, torch.tensor(start, device=points.device)[chosen]]
    there = points[rows, torch.tensor(end, device=points.device)[chosen]]
    return here, torch.where(is_side.gather(1, chosen)[..., None], there, here)


def _area(start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """Of what sides (N, K, 2) go round, (N,)."""
    return _cross(start, end).sum(1).abs() / 2


def _shared_area(start: torch.Tensor, end: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
    """Area (N,) of what sides (N, K, 2) go round, inside of convex polygons (N, 4, 2).

    One side of the window after the other, what is beyond its line is pushed onto it: that goes there and back, and
    has no area. See ``rotated.shared_area``.
    """
    turn = _cross(window, window.roll(-1, 1)).sum(1).sign()[:, None]
    for corner, after in zip(window.unbind(1), window.roll(-1, 1).unbind(1)):
        way = (after - corner)[:, None]
        length = (way * way).sum(-1).clamp(min=1e-30)
        depths = [turn * _cross(way, places - corner[:, None]) for places in (start, end)]
        apart = depths[0] - depths[1]
        share = (depths[0] / torch.where(apart == 0, torch.ones_like(apart), apart)).clamp(0, 1)
        middle = start + share[..., None] * (end - start)
        depth = depths[0] + share * (depths[1] - depths[0])
        outward = torch.stack((way[..., 1], -way[..., 0]), -1) * turn[..., None]
        pushed = [
            places + outward * (beyond.clamp(max=0) / length)[..., None]
            for places, beyond in ((start, depths[0]), (middle, depth), (end, depths[1]))
        ]
        start, end = torch.cat((pushed[0], pushed[1]), 1), torch.cat((pushed[1], pushed[2]), 1)
    return _area(start, end)


def _boxes(points: torch.Tensor) -> torch.Tensor:
    """The upright boxes (N, 4) around (N, K, 2) points."""
    return torch.cat((points.min(1)[0], points.max(1)[0]), 1)


@operator
def convex_iou(pointsets: torch.Tensor, polygons: torch.Tensor, ious: torch.Tensor) -> None:
    """Overlap of the hulls of point sets with polygons.

    Args:
        pointsets: (N, 18) x and y of nine points each.
        polygons: (M, 8) x and y of the corners of convex ones, in turn.
        ious: (N, M), filled.
    """
    sets, windows = pointsets.double().reshape(-1, 9, 2), polygons.double().reshape(-1, 4, 2)
    ones, others = _boxes(sets)[:, None], _boxes(windows)[None]
    near = (ones[..., :2] <= others[..., 2:]).all(2) & (others[..., :2] <= ones[..., 2:]).all(2)
    ious.zero_()
    for rows, columns in zip(*(index.split(_SETS) for index in near.nonzero().unbind(1))):
        shared, union = _overlap(sets[rows], windows[columns])
        ious[rows, columns] = torch.where(union > 0, shared / union, torch.zeros_like(union)).to(ious.dtype)


@operator
def convex_giou(pointsets: torch.Tensor, polygons: torch.Tensor, output: torch.Tensor) -> None:
    """Generalised overlap of the hulls of point sets, each with its own polygon, and its gradient by the points.

    Args:
        pointsets: (N, 18) x and y of nine points each.
        polygons: (N, 8) x and y of the corners of convex ones, in turn.
        output: (N, 19), filled: the gradient of each number of ``pointsets``, then the overlap, -1 to 1.
    """
    for given, corners, rows in zip(pointsets.split(_SETS), polygons.split(_SETS), output.split(_SETS)):
        with torch.enable_grad():
            sets = given.detach().double().reshape(-1, 9, 2).requires_grad_()
            windows = corners.detach().double().reshape(-1, 4, 2)
            shared, union = _overlap(sets, windows)
            around = _area(*_hulls(torch.cat((sets, windows), 1)))
            giou = shared / union - (around - union) / around
            (gradient,) = torch.autograd.grad(giou.sum(), sets)
        rows.copy_(torch.cat((gradient.flatten(1), giou.detach()[:, None]), 1))


def _overlap(sets: torch.Tensor, windows: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
    """Areas (P,) that the hulls of sets (P, 9, 2) share with convex polygons (P, 4, 2), and that both cover."""
    middle = sets.detach().mean(1, keepdim=True)  # far off, corners lose digits
    start, end = _hulls(sets - middle)
    window = windows - middle
    shared = _shared_area(start, end, window)
    return shared, _area(start, end) + _area(window, window.roll(-1, 1)) - shared


@operator
def points_in_polygons_forward(points: torch.Tensor, polygons: torch.Tensor, output: torch.Tensor) -> None:
    """Which points lie in which polygons, by the sides that a ray to the right crosses.

    Args:
        points: (N, 2).
        polygons: (M, 8) x and y of four corners in turn.
        output: (N, M), filled with 1 and 0.
    """
    corners = polygons.reshape(-1, 4, 2)
    inside = torch.zeros(output.shape, dtype=torch.bool, device=points.device)
    x, y = points[:, :1], points[:, 1:]
    for here, there in zip(corners.unbind(1), corners.roll(-1, 1).unbind(1)):
        rise = there[:, 1] - here[:, 1]
        rise = torch.where(rise == 0, torch.ones_like(rise), rise)
        crossing = here[:, 0] + (y - here[:, 1]) * (there[:, 0] - here[:, 0]) / rise
        inside ^= ((here[:, 1] < y) != (there[:, 1] < y)) & (crossing > x)
    output.copy_(inside)
