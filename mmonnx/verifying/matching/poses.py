"""Comparing key points."""

from typing import List, Optional, Tuple

import numpy as np

from ...runtime import Poses
from .arrays import unlike
from .noise import PoseNoise, scores_of
from .types import MAX_LINES, NOISE_MARGIN, Match, Tolerances

_SCORED = "scores", "people's scores"
_TWO = 2
"""A tie is of two heats, each of which is as far off as a tie may be wide."""


def match_poses(expected: Poses, actual: Poses, tolerances: Tolerances, noise: Optional[PoseNoise] = None) -> Match:
    """Compare key points in pixels, each with its own counterpart, and scores as shares of the greatest.

    A key point may be elsewhere where PyTorch's own heats of the two places are equal but for roundings, as shares of
    the heats' range or as PyTorch's further runs show them; where one of these has it there; or where it moves as far
    in them: its place is chosen by which of two neighbours is the greater, or divided by next to nothing. What such a
    division throws out of the picture on both sides may be as far off as these runs throw it apart.
    """
    problem = unlike("keypoints", expected.keypoints, actual.keypoints)
    if problem:
        return Match(0, 1, unmatched=[problem], ok=False)
    apart = np.abs(expected.keypoints[..., :2].astype(np.float64) - actual.keypoints[..., :2])
    gaps = apart.max(-1, initial=0.0)
    near = gaps <= tolerances.box
    excused = ~near & _excused(expected, actual, apart, tolerances, noise)
    wrong = ~(near | excused)
    lines = []
    for row, point in np.argwhere(wrong)[:MAX_LINES]:
        ours, theirs = (one.keypoints[row, point, :2] for one in (expected, actual))
        lines.append(
            f"key point {point}: the runtime's is at {theirs[0]:.2f}, {theirs[1]:.2f}, "
            f"PyTorch's at {ours[0]:.2f}, {ours[1]:.2f}"
        )
    difference, allowed, problems = _scores(expected, actual, tolerances, noise)
    lines += problems
    noisy = (0.0, 0.0) if noise is None else (float(gaps[excused].max(initial=0.0)), allowed)
    return Match(
        int((~wrong).sum()),
        int(wrong.size),
        max_box=float(gaps[near].max()) if near.any() else None,
        max_score=difference,
        excused=int(excused.sum()),
        unmatched=lines[:MAX_LINES],
        ok=not lines,
        missing=np.flatnonzero(~near).tolist(),
        allowed=noisy,
    )


def _excused(
    expected: Poses, actual: Poses, apart: np.ndarray, tolerances: Tolerances, noise: Optional[PoseNoise]
) -> np.ndarray:
    """(n, K) bool, which key points may be elsewhere, ``apart`` (n, K, 2) from PyTorch's."""
    found = np.zeros(apart.shape[:2], bool)
    if noise is not None:
        within = apart <= np.maximum(tolerances.box, NOISE_MARGIN * noise.moved)[..., None]
        found |= (within | noise.has(actual.keypoints[..., :2], tolerances.box)).all(-1)
        found |= _is_thrown(expected, expected) & _is_thrown(actual, expected) & (apart.max(-1) <= noise.farthest)
    if expected.heats is not None:
        for row, point in np.argwhere(~found & (apart.max(-1) > tolerances.box)):
            moved = 0.0 if noise is None else noise.heat(row, point)
            found[row, point] = _is_tie(expected, actual.keypoints[row, point], row, point, moved, tolerances)
    return found


def _is_thrown(poses: Poses, seen: Poses) -> np.ndarray:
    """(n, K) bool, which key points lie farther out of the picture, of whose heats ``seen`` has, than it is large."""
    if seen.heats is None:
        return np.zeros(poses.keypoints.shape[:2], bool)
    size = np.array(seen.step) * seen.heats.shape[:1:-1]
    places = poses.keypoints[..., :2]
    return np.asarray(((places < -size) | (places > 2 * size)).any(-1))


def _is_tie(expected: Poses, theirs: np.ndarray, row: int, point: int, moved: float, tolerances: Tolerances) -> bool:
    """Whether PyTorch's heats around a key point of the runtime's come up to the best one elsewhere."""
    assert expected.heats is not None  # the caller has asked
    heats = expected.heats[row, point].astype(np.float64)
    x, y = (int(round(float(value) / step)) for value, step in zip(theirs[:2], expected.step))
    ours = [round(float(v) / step) for v, step in zip(expected.keypoints[row, point, :2], expected.step)]
    around = heats[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
    if not around.size or max(abs(x - ours[0]), abs(y - ours[1])) <= 1:  # the same peak, refined otherwise
        return False
    allowed = max(tolerances.tie * float(np.ptp(heats)), NOISE_MARGIN * moved)
    return bool(heats.max() - around.max() <= _TWO * allowed)


def _scores(
    expected: Poses, actual: Poses, tolerances: Tolerances, noise: Optional[PoseNoise]
) -> Tuple[float, float, List[str]]:
    """How far scores are apart at most, how far they may be where the tolerance does not serve, what is wrong."""
    points, people = (np.abs(one - other) for one, other in zip(scores_of(expected), scores_of(actual)))
    again = (points, people) if noise is None else noise.nearest(actual, tolerances.box)
    moved = (0.0, 0.0) if noise is None else (noise.score, noise.person)
    greatest, beyond, lines = 0.0, 0.0, []
    for what, ours, gaps, nearest, own in zip(_SCORED, scores_of(expected), (points, people), again, moved):
        difference = float(gaps.max(initial=0.0))
        usual = tolerances.score * float(np.abs(ours).max(initial=0.0))
        allowed = max(usual, NOISE_MARGIN * own)
        if not (np.minimum(gaps, nearest) <= allowed).all():
            lines.append(f"{what}: differ by {difference:.2g}, at most {allowed:.2g} is right")
        greatest, beyond = max(greatest, difference), max(beyond, allowed if difference > usual else 0.0)
    return greatest, beyond, lines
