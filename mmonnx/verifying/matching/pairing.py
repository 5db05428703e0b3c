"""How far the detections of two lists are from each other, and which goes with which."""

from typing import List, Optional, Tuple

import cv2
import numpy as np

from ...runtime import Detections, corners, is_rotated
from .types import Tolerances

_FAR = 64.0
"""Pixels between the centres of boxes that nobody would take for the same."""
_SAMPLE = 128
"""Rows and columns at which masks are looked at to tell which is which."""


class Gaps:
    """The differences of each detection of one list from each of another.

    Attributes:
        box: (n, m) the greatest difference of a coordinate, in pixels; of rotated boxes of one of a corner, whatever
            side is called the width and in which turn the angle is counted.
        score: (n, m) the difference of the scores.
        same: (n, m) bool, whether the labels are the same, and of models that give zeros for boxes the masks as well.
    """

    def __init__(self, expected: Detections, actual: Detections, tolerances: Tolerances) -> None:
        left, right = expected.boxes.astype(np.float64), actual.boxes.astype(np.float64)
        if expected.rotated and actual.rotated:
            self.box = _corner_gaps(corners(left), corners(right))
        else:
            self.box = np.abs(left[:, None, :4] - right[None, :, :4]).max(axis=2)
        self.score = np.abs(expected.scores[:, None].astype(np.float64) - actual.scores[None])
        self.same = expected.labels[:, None] == actual.labels[None]
        ours, theirs = _telling_masks(expected), _telling_masks(actual)
        if ours is not None and theirs is not None:
            self.same = self.same & _masks_alike(ours, theirs, tolerances)


def _corner_gaps(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(n, m) how far the farthest of the corners (n, 4, 2) is from its own of (m, 4, 2), by the best choice of these.

    Of boxes that are far apart it is how far their centres are, which is no more.
    """
    found = np.abs(left.mean(1)[:, None] - right.mean(1)[None]).max(axis=2)
    rows, columns = np.nonzero(found < _FAR)
    ours, theirs = left[rows], right[columns]
    turns = [np.abs(ours - np.roll(theirs, turn, axis=1)).max(axis=(1, 2)) for turn in range(4)]
    found[rows, columns] = np.min(turns, axis=0)
    return found


def _telling_masks(result: Detections) -> Optional[np.ndarray]:
    """The masks where they alone tell where a detection is, None elsewhere: some models give zeros for boxes."""
    return result.masks if len(result.dets) and not result.boxes.any() else None


def _masks_alike(expected: np.ndarray, actual: np.ndarray, tolerances: Tolerances) -> np.ndarray:
    """(n, m) bool, whether two masks have more pixels in common than not; looked at a sample of them."""
    steps = [max(1, size // _SAMPLE) for size in expected.shape[1:]]
    ours, theirs = (
        (masks[:, :: steps[0], :: steps[1]] > 0.5).reshape(len(masks), -1).astype(np.float32)
        for masks in (expected, actual)
    )
    shared = ours @ theirs.T
    union = ours.sum(1)[:, None] + theirs.sum(1)[None] - shared
    return (shared > 0.5 * union) | (union <= tolerances.mask_pixels)


def assign(fits: np.ndarray, closeness: np.ndarray, needed: np.ndarray) -> List[Tuple[int, int]]:
    """The pairs of a maximum assignment: it covers what is needed, then as many as it can, then the closest.

    Args:
        fits: (n, m) bool, what may be a pair.
        closeness: (n, m) 0 to 2, how close a pair is.
        needed: (n, m) 0 to 2, how many of a pair's two have to be covered.
    """
    if not fits.any():
        return []
    many = 4.0 * min(fits.shape)
    weights = np.where(fits, needed * many * many + many + closeness, 0.0)
    return [(i, j) for i, j in heaviest(weights) if fits[i, j]]


def heaviest(weights: np.ndarray) -> List[Tuple[int, int]]:
    """The pairs of an assignment of rows to columns, min(n, m) of them, whose sum of weights, (n, m), is greatest."""
    from scipy.optimize import linear_sum_assignment  # half a second, which a classifier need not wait

    rows, columns = linear_sum_assignment(weights, maximize=True)
    return list(zip(rows.tolist(), columns.tolist()))


def wrong_pixels(one: np.ndarray, two: np.ndarray, edge: float) -> Tuple[int, int]:
    """In how many pixels two masks differ, and the pixels of their union.

    Args:
        one, two: (height, width) bool, or probabilities, of which 0.5 is the threshold.
        edge: a pixel whose two probabilities are both this close to the threshold does not differ: halfway between 0
            and 1 they are 0.5, and then a rounding.
    """
    ours, theirs = one > 0.5, two > 0.5
    differ, union = ours ^ theirs, int((ours | theirs).sum())
    if one.dtype.kind == "f" and two.dtype.kind == "f":
        differ &= (np.abs(one - 0.5) > edge) | (np.abs(two - 0.5) > edge)
    return int(differ.sum()), union


def box_iou(one: np.ndarray, two: np.ndarray) -> float:
    """Intersection over union of two detections ``(x1, y1, x2, y2, score)``, or of rotated ones; 0.0 of empty boxes."""
    if is_rotated(len(one) - 1):
        return _rotated_iou(one[:-1].astype(np.float64), two[:-1].astype(np.float64))
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = (one[2] - one[0]) * (one[3] - one[1]) + (two[2] - two[0]) * (two[3] - two[1]) - shared
    return float(shared / union) if union > 0 else 0.0


def _rotated_iou(one: np.ndarray, two: np.ndarray) -> float:
    middle = np.array([*(one[:2] + two[:2]) / 2, 0, 0, 0])  # far off, corners lose digits
    outlines = [corners((box - middle)[None])[0].astype(np.float32) for box in (one, two)]
    shared = float(cv2.intersectConvexConvex(*outlines)[0])
    union = float(one[2] * one[3] + two[2] * two[3]) - shared
    return shared / union if union > 0 else 0.0
