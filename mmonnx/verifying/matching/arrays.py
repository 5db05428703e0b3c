"""Comparing class probabilities and raw outputs."""

from typing import List, Optional, Sequence, Tuple, Union

import numpy as np

from ...runtime import RawOutputs, Scores, TextMaps
from .noise import ArrayNoise, greatest_of, runs_of
from .types import MAX_LINES, NOISE_MARGIN, Match, Tolerances

Arrays = Union[RawOutputs, TextMaps]


def unlike(name: str, expected: np.ndarray, actual: np.ndarray) -> Optional[str]:
    """Say how two arrays cannot be compared at all; None if they can."""
    if expected.dtype != actual.dtype:
        return f"{name}: the runtime gives {actual.dtype}, PyTorch {expected.dtype}"
    if expected.shape != actual.shape:
        return f"{name}: the runtime gives the shape {actual.shape}, PyTorch {expected.shape}"
    for side, values in (("runtime", actual), ("PyTorch", expected)):
        if values.dtype.kind == "f" and np.isnan(values).any():
            return f"{name}: {int(np.isnan(values).sum())} values of the {side} are NaN".replace(
                "the PyTorch", "PyTorch"
            )
    return None


def match_scores(expected: Scores, actual: Scores, tolerances: Tolerances, noise: Optional[ArrayNoise] = None) -> Match:
    """Compare class probabilities; see :func:`mmonnx.verifying.matching.match`."""
    problem = unlike("probs", expected.probs, actual.probs)
    if problem or not expected.probs.size:
        return Match(0, 1, unmatched=[problem or "probs: empty"], ok=False)
    difference = float(np.abs(expected.probs - actual.probs).max())
    usual = tolerances.score * float(np.abs(expected.probs).max())
    allowed = max(usual, NOISE_MARGIN * greatest_of(noise, "probs"))
    first, other = int(expected.probs.argmax()), int(actual.probs.argmax())
    lines: List[str] = []
    if (
        difference > allowed
        and expected.labels is None
        and actual.labels is None
        and _is_of_a_run(actual, noise, usual)
    ):
        return Match(1, 1, max_score=difference, ok=True, excused=1, allowed=(0.0, difference))
    if not difference <= allowed:
        lines.append(f"probs: differ by {difference:.2g}, at most {allowed:.2g} is right")
    if (expected.labels is None) != (actual.labels is None):
        lines.append("labels: only one side gives any")
    elif expected.labels is not None and actual.labels is not None:
        lines += _match_labels(expected.labels, actual.labels, expected.probs, actual.probs, allowed)
    elif expected.probs[first] - expected.probs[other] > allowed:
        lines.append(f"probs: the runtime's first class is {other}, PyTorch's {first}")
    excused = int(not lines and difference > usual)
    noisy = (0.0, allowed if excused else 0.0)
    return Match(int(not lines), 1, max_score=difference, unmatched=lines, ok=not lines, excused=excused, allowed=noisy)


def _is_of_a_run(actual: Scores, noise: Optional[ArrayNoise], tolerance: float) -> bool:
    """Whether one of PyTorch's further runs, in which a choice made other probabilities, gives just these."""
    return any(np.abs(run - actual.probs).max() <= tolerance for run in runs_of(noise, "probs"))


def _match_labels(
    expected: np.ndarray, actual: np.ndarray, ours: np.ndarray, theirs: np.ndarray, allowed: float
) -> List[str]:
    """What is wrong with the best classes; where scores are equal they may change places, at the list's end too.

    Args:
        expected, actual: PyTorch's classes and the runtime's; ours, theirs: their scores.
        allowed: how far scores may be from each other.
    """
    problem = unlike("labels", expected, actual)
    if problem:
        return [problem]
    scores = dict(zip(expected.tolist(), ours.tolist()))
    last, lines = float(ours[-1]), []
    for place, (label, score) in enumerate(zip(actual.tolist(), theirs.tolist())):
        if abs(scores.get(label, last) - score) > 2 * allowed:
            lines.append(f"labels: the runtime's place {place + 1} is class {label}, PyTorch's {expected[place]}")
    if len(set(actual.tolist())) != len(actual):
        lines.append("labels: the runtime gives a class twice")
    return lines[:MAX_LINES]


def match_raw(expected: Arrays, actual: Arrays, tolerances: Tolerances, noise: Optional[ArrayNoise] = None) -> Match:
    """Compare raw outputs, or maps of one image; see :func:`mmonnx.verifying.matching.match`."""
    lines, differences, excused, most = [], [], 0, 0.0
    for name in sorted(set(expected.values) | set(actual.values)):
        if name not in expected.values or name not in actual.values:
            lines.append(f"{name}: only {'PyTorch' if name in expected.values else 'the runtime'} has this output")
            continue
        slack = NOISE_MARGIN * greatest_of(noise, name)
        difference, problem = compare_raw(name, expected.values[name], actual.values[name], tolerances, 0.0)
        runs = runs_of(noise, name)
        if problem and (slack or runs):
            difference, problem = compare_raw(name, expected.values[name], actual.values[name], tolerances, slack, runs)
            excused, most = excused + (not problem), max(most, 0.0 if problem else slack)
        differences += [] if difference is None else [difference]
        if problem:
            lines.append(problem)
    total = len(set(expected.values) | set(actual.values))
    return Match(
        total - len(lines),
        total,
        max_score=max(differences, default=None),
        excused=excused,
        unmatched=lines[:MAX_LINES],
        ok=not lines,
        allowed=(0.0, most),
    )


def raw_tolerance(expected: np.ndarray, tolerances: Tolerances) -> float:
    """How far a value of an output may be from PyTorch's, which are all finite floats, and one at least.

    The range, not the magnitude: the logits of an untrained head all lie within 0.01 of -4.6. The floor is for outputs
    that are constant, where float32 noise is all there is.
    """
    return max(tolerances.score * float(np.ptp(expected)), 1e-5 * float(np.abs(expected).max()), 1e-6)


def compare_raw(
    name: str,
    expected: np.ndarray,
    actual: np.ndarray,
    tolerances: Tolerances,
    slack: float = 0.0,
    runs: Sequence[np.ndarray] = (),
) -> Tuple[Optional[float], Optional[str]]:
    """Compare one output: the greatest difference and what is wrong; None for either if there is none.

    Args:
        slack: how far the values may be from each other all the same.
        runs: what PyTorch gives as well; each value is right that is as one of these has it.
    """
    problem = unlike(name, expected, actual)
    if problem or not expected.size:
        return None, problem
    if expected.dtype.kind != "f":
        wrong = int((expected != actual).sum())
        return float(wrong > 0), f"{name}: {wrong} of {expected.size} values differ" if wrong else None
    finite = np.isfinite(expected)
    if (finite != np.isfinite(actual)).any() or (expected[~finite] != actual[~finite]).any():
        return float("inf"), f"{name}: infinite in other places than PyTorch's"
    expected, actual = expected[finite].astype(np.float64), actual[finite].astype(np.float64)
    if not expected.size:
        return None, None
    allowed = max(raw_tolerance(expected, tolerances), slack)
    gaps = np.abs(expected - actual)
    for run in runs:
        gaps = np.fmin(gaps, np.abs(run[finite] - actual))
    difference = float(gaps.max())
    wrong = not difference <= allowed
    return difference, f"{name}: differs by {difference:.2g}, at most {allowed:.2g} is right" if wrong else None
