"""Rows of regions, whose order may be another in a file: two scores that are equal but for a rounding change places.

And where an overlap is near its threshold, one region is chosen in the place of another, and all behind it move up.
"""

import numpy as np

from .matching import Tolerances, assign, raw_tolerance

_MOST = 500
"""Rows in other places, beyond which they are not put in order: something else is wrong."""


def in_order(expected: np.ndarray, found: np.ndarray, tolerances: Tolerances) -> np.ndarray:
    """What was found in the order of what was expected, as far as it is the same rows.

    Args:
        expected, found: (n, ...) float; of other shapes, what was found is given back.
        tolerances: within which two rows are the same.
    """
    if expected.shape != found.shape or expected.ndim < 2 or not expected.size or not np.isfinite(expected).all():
        return found
    allowed = raw_tolerance(expected, tolerances)
    ours, theirs = expected.reshape(len(expected), -1), found.reshape(len(found), -1)
    (off,) = np.nonzero(~(np.abs(ours - theirs).max(1) <= allowed))
    if not 0 < len(off) <= _MOST:
        return found
    gaps = np.stack([np.abs(theirs[off] - row).max(1) for row in ours[off]])
    pairs = assign(gaps <= allowed, 2 - gaps / allowed, np.zeros_like(gaps))
    if len(pairs) < len(off):
        return found
    ordered = found.copy()
    for row, other in pairs:
        ordered[off[row]] = found[off[other]]
    return ordered


def absent(rows: np.ndarray, others: np.ndarray, tolerances: Tolerances) -> np.ndarray:
    """Those of some rows that are not among others.

    Args:
        rows: (n, k) float.
        others: (m, k) float.
        tolerances: how far apart two rows may be that are the same, as a share of the range of these.

    Returns:
        (l, k) the rows, in their order.
    """
    if not len(rows) or not len(others):
        return rows
    from scipy.spatial import cKDTree  # see ``matching.pairing.heaviest``

    distances, _ = cKDTree(others).query(rows, p=np.inf)
    return rows[distances > raw_tolerance(others, tolerances)]
