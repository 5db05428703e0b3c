"""Comparing panoptic maps, segment by segment."""

from typing import Dict, Optional, Tuple

import numpy as np

from ...runtime import Panoptic
from .arrays import unlike
from .detections import DetectionMatcher
from .noise import PanopticNoise
from .types import MAX_LINES, Match, Tolerances

OFFSET = 1000
"""A segment is class + 1000 * instance."""


def match_panoptic(
    expected: Panoptic,
    actual: Panoptic,
    tolerances: Tolerances,
    limit: Optional[int] = None,
    noise: Optional[PanopticNoise] = None,
) -> Match:
    """Compare maps by their segments: the same class in the same pixels, whatever the instance's number.

    Two instances whose scores are equal may change their numbers, as two detections may change their places. A segment
    that is not in one of PyTorch's further runs may be missing, and one that is in one of them may be there.
    """
    problem = unlike("panoptic_seg", expected.segments, actual.segments)
    if not problem and (expected.detections is None) != (actual.detections is None):
        problem = "dets: only one side gives any"
    if problem:
        return Match(0, 1, unmatched=[problem], ok=False)
    ours, theirs = _segments(expected.segments), _segments(actual.segments)
    pairs, lowest = _pairs(expected.segments, actual.segments, ours, theirs, tolerances)
    missing = [index for index, name in enumerate(ours) if name not in pairs]
    extra = [name for name in theirs if name not in pairs.values()]
    others = [] if noise is None else noise.maps
    gone = {name for other in others for name in ours if name not in _with(expected.segments, other, tolerances)}
    new = {name for other in others for name in _with(actual.segments, other, tolerances)}
    wrong = [list(ours)[index] for index in missing if list(ours)[index] not in gone]
    lines = [f"segment {_name(name, ours[name])}: not in the runtime's map" for name in wrong]
    foreign = [name for name in extra if name not in new]
    lines += [f"segment {_name(name, theirs[name])}: not in PyTorch's map" for name in foreign]
    excused = len(missing) - len(wrong) + len(extra) - len(foreign)
    maps = Match(
        len(pairs), len(ours), max_mask=1 - lowest, excused=excused, unmatched=lines, ok=not lines, missing=missing
    )
    if expected.detections is None or actual.detections is None:
        return maps
    rows = None if noise is None else noise.detections
    found = DetectionMatcher(expected.detections, actual.detections, 0.0, limit, tolerances, rows).match()
    return _both(maps, found, len(ours))


def _segments(segments: np.ndarray) -> Dict[int, int]:
    """The area of each segment in pixels."""
    names, areas = np.unique(segments, return_counts=True)
    return dict(zip(names.tolist(), areas.tolist()))


def _pairs(
    expected: np.ndarray, actual: np.ndarray, ours: Dict[int, int], theirs: Dict[int, int], tolerances: Tolerances
) -> Tuple[Dict[int, int], float]:
    """Which segment of the runtime's is which of PyTorch's, and the lowest IoU of such a pair."""
    both = np.stack([expected.reshape(-1), actual.reshape(-1)])
    names, shared = np.unique(both, axis=1, return_counts=True)
    pairs, lowest = {}, 1.0
    for (one, two), common in zip(names.T.tolist(), shared.tolist()):
        union = ours[one] + theirs[two] - common
        allowed = max(tolerances.mask_pixels, tolerances.mask_share * union)
        if one % OFFSET == two % OFFSET and union - common <= allowed:
            pairs[one], lowest = two, min(lowest, common / union)
    return pairs, lowest


def _with(one: np.ndarray, two: np.ndarray, tolerances: Tolerances) -> Dict[int, int]:
    """The segments of one map that are in another, and what they are called there."""
    return _pairs(one, two, _segments(one), _segments(two), tolerances)[0]


def _name(segment: int, area: int) -> str:
    return f"of class {segment % OFFSET}, instance {segment // OFFSET}, {area} pixels"


def _both(maps: Match, found: Match, segments: int) -> Match:
    """One outcome for the map and the detections."""
    lowest = max(value for value in (maps.max_mask, found.max_mask) if value is not None)
    return Match(
        maps.matched + found.matched,
        maps.total + found.total,
        found.max_box,
        found.max_score,
        lowest,
        maps.excused + found.excused,
        (maps.unmatched + found.unmatched)[:MAX_LINES],
        maps.ok and found.ok,
        maps.missing + [segments + row for row in found.missing],
        found.allowed,
    )
