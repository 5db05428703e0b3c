"""Rotated rectangles by plain Python: one polygon clipped by the sides of another, and greedy suppression."""

import math
from typing import List, Sequence, Tuple

import numpy as np
import torch

Point = Tuple[float, float]


def vertices(box: Sequence[float]) -> List[Point]:
    """Centre, width, height, angle in radians -> the corners in turn."""
    x, y, width, height, angle = (float(value) for value in box[:5])
    cos, sin = math.cos(angle), math.sin(angle)
    signs = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
    return [(x + i * width * cos - j * height * sin, y + i * width * sin + j * height * cos) for i, j in signs]


def clip(polygon: List[Point], window: List[Point]) -> List[Point]:
    """What of a convex polygon lies in another, whose corners go the same way round."""
    for one, two in zip(window, window[1:] + window[:1]):

        def side(point: Point, one: Point = one, two: Point = two) -> float:
            return (two[0] - one[0]) * (point[1] - one[1]) - (two[1] - one[1]) * (point[0] - one[0])

        left: List[Point] = []
        for here, there in zip(polygon, polygon[1:] + polygon[:1]):
            first, second = side(here), side(there)
            if first >= 0:
                left.append(here)
            if (first > 0) != (second > 0) and first != second:
                share = first / (first - second)
                left.append((here[0] + share * (there[0] - here[0]), here[1] + share * (there[1] - here[1])))
        polygon = left
    return polygon


def area(polygon: Sequence[Point]) -> float:
    """Of a polygon whose corners go round, by the shoelace formula."""
    pairs = zip(polygon, [*polygon[1:], *polygon[:1]])
    return abs(sum(one[0] * two[1] - two[0] * one[1] for one, two in pairs)) / 2


def iou(one: Sequence[float], two: Sequence[float]) -> float:
    """Intersection over union of two rotated boxes; 0 where one has no area."""
    areas = [float(box[2]) * float(box[3]) for box in (one, two)]
    if min(areas) < 1e-14:
        return 0.0
    # about the middle, as far-off corners lose digits
    middle = [(float(one[axis]) + float(two[axis])) / 2 for axis in (0, 1)]
    near = [[float(box[0]) - middle[0], float(box[1]) - middle[1], *box[2:5]] for box in (one, two)]
    shared = area(clip(vertices(near[0]), vertices(near[1])))
    return shared / (sum(areas) - shared)


def greedy(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> List[int]:
    """Which boxes stay, the best first; of equal scores the first of the list comes first."""
    kept: List[int] = []
    for index in np.argsort(-scores, kind="stable").tolist():
        if all(iou(boxes[other], boxes[index]) < threshold for other in kept):
            kept.append(index)
    return kept


def adversarial() -> torch.Tensor:
    """(K, 5) boxes, the pairs of which touch, are equal, contain each other, are thin, without area, or far off."""
    quarter = math.pi / 2
    rows = [
        (50, 50, 40, 20, 0),
        (50, 50, 40, 20, 0),  # the same
        (50, 50, 40, 20, math.pi),  # the same, turned by half
        (50, 50, 20, 40, quarter),  # the same, by a quarter
        (50, 50, 20, 40, -quarter),
        (50, 50, 10, 5, 0.3),  # inside
        (90, 50, 40, 20, 0),  # touches by a side
        (90, 70, 40, 20, 0),  # by a corner
        (70, 50, 40, 20, 0),  # half
        (50, 50, 40, 20, 1e-4),  # almost parallel
        (50, 50, 40, 20, quarter - 1e-4),
        (50, 50, 300, 0.5, 0.7),  # thin
        (50, 50, 300, 0.5, 0.7 + 1e-3),
        (50, 50, 0.5, 300, 0.7 - quarter),
        (50, 50, 1e-3, 1e-3, 0.1),  # tiny
        (50, 50, 0, 20, 0.1),  # without area
        (50, 50, 4000, 3000, 0.2),  # huge
        (30050, 30050, 40, 20, 0.4),  # far off, where a float32 has steps of 0.002
        (30052, 30051, 40, 20, 0.4),
        (30050, 30050, 40, 20, 0.4 - math.pi),
        (60, 60, 28.284271, 28.284271, math.pi / 4),  # its corners on the middle of the sides of the next
        (60, 60, 40, 40, 0),
        (-20, -15, 30, 30, 0.5),
        (-20, -15, 30, 30, 0.5 + quarter),  # a square, turned by a quarter
    ]
    return torch.tensor(rows, dtype=torch.float32)


def crowd(count: int, seed: int, extent: float = 300.0) -> torch.Tensor:
    """(count, 5) boxes of all sizes that overlap, some of them the same."""
    values = torch.rand((count, 5), generator=torch.Generator().manual_seed(seed))
    low = torch.tensor([0.0, 0.0, 2.0, 2.0, -3.2])
    boxes = values * torch.tensor([extent, extent, 80.0, 40.0, 6.4]) + low
    boxes[count // 2 : count // 2 + count // 10] = boxes[: count // 10]
    return boxes
