"""Locality-aware NMS: quadrangles are merged with their neighbours in a row, and then suppressed by better ones."""

import importlib
from typing import Any, List, Tuple

import numpy as np

_PRECISION = 10000
"""Corners are whole numbers of such parts of a pixel."""
_PAIRED = np.array([[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]])
_TAKEN = np.array([[0, 1, 2, 3], [3, 2, 1, 0], [0, 3, 2, 1]])
"""The ways in which lanms compares the corners of two, and how it then takes the second one's: once not as compared."""
_Quadrangle = Tuple[np.ndarray, np.float32]


def merge_quadrangles(quadrangles: np.ndarray, threshold: float = 0.3) -> np.ndarray:
    """Merge quadrangles as ``lanms.merge_quadrangle_n9`` does. It needs pyclipper.

    Args:
        quadrangles: (n, 9) x and y of four corners, in pixels, and a score above 0; neighbours in the picture follow
            each other.
        threshold: the intersection over the union from which on two of them are one.

    Returns:
        (m, 9) float32, the best first: a mean's corners are weighted by scores, and its score is their sum; (0,) of
        none.
    """
    if not len(quadrangles):
        return np.empty(0, np.float32)
    scaled = quadrangles[:, :8] * np.asarray(_PRECISION, quadrangles.dtype)
    corners = scaled.astype(np.float32).astype(np.int64).reshape(-1, 4, 2)
    merged: List[_Quadrangle] = []
    for points, score in zip(corners, quadrangles[:, 8].astype(np.float32)):
        if merged and _overlap(points, merged[-1][0]) > threshold:
            merged[-1] = _mean(merged[-1], (points, score))
        else:
            merged.append((points, score))
    kept = _suppressed(merged, threshold)
    found = np.array([[*points.reshape(-1), score] for points, score in kept], np.float32)
    found[:, :8] /= _PRECISION
    return found


def _mean(one: _Quadrangle, other: _Quadrangle) -> _Quadrangle:
    """The mean of two, in lanms's own precision: sums of float32 that are cut to whole numbers."""
    sums = (one[0].astype(np.float32) * one[1]).astype(np.int64)
    score = one[1]
    first = _cut(sums, score)
    gaps = ((first - other[0][_PAIRED]) ** 2).sum((1, 2))
    sums = (sums.astype(np.float32) + other[0][_TAKEN[gaps.argmin()]].astype(np.float32) * other[1]).astype(np.int64)
    score = np.float32(score + other[1])
    return _cut(sums, score), score


def _cut(sums: np.ndarray, score: np.float32) -> np.ndarray:
    inverse = np.float32(1) / max(np.float32(1e-8), score)
    return np.asarray((sums.astype(np.float32) * inverse).astype(np.int64))


def _suppressed(found: List[_Quadrangle], threshold: float) -> List[_Quadrangle]:
    """Those that overlap no better one."""
    order = np.argsort([-score for _, score in found], kind="stable")
    lows = np.array([points.min(0) for points, _ in found])
    highs = np.array([points.max(0) for points, _ in found])
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(found[best])
        near = ((lows[rest] < highs[best]) & (highs[rest] > lows[best])).all(1)
        gone = [bool(close) and _overlap(found[best][0], found[one][0]) > threshold for one, close in zip(rest, near)]
        order = rest[~np.array(gone, bool)]
    return kept


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    """The intersection over the union of two quadrangles (4, 2) int64, which may cross themselves."""
    if (one.max(0) <= other.min(0)).any() or (other.max(0) <= one.min(0)).any():
        return 0.0
    pyclipper: Any = importlib.import_module("pyclipper")
    clipper = pyclipper.Pyclipper()
    for points, kind in ((one, pyclipper.PT_SUBJECT), (other, pyclipper.PT_CLIP)):
        try:
            clipper.AddPath(points.tolist(), kind, True)
        except pyclipper.ClipperException:  # without an area
            return 0.0
    shared, union = (_area(pyclipper, clipper, how) for how in (pyclipper.CT_INTERSECTION, pyclipper.CT_UNION))
    return float(shared / max(union, np.float32(1)))


def _area(pyclipper: Any, clipper: Any, how: int) -> np.float32:
    paths = clipper.Execute(how, pyclipper.PFT_EVENODD, pyclipper.PFT_EVENODD)
    return np.float32(abs(sum(pyclipper.Area(path) for path in paths)))
