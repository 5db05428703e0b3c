"""Comparing maps of classes, pixel by pixel."""

from typing import List, Optional, Tuple

import numpy as np

from ...runtime import LabelMap
from .arrays import compare_raw, unlike
from .noise import LabelMapNoise, logits_of
from .types import NOISE_MARGIN, Match, Tolerances

_LOGITS = 2
"""A tie is of two logits, each of which is as far off as a tie may be wide."""


def match_label_maps(
    expected: LabelMap, actual: LabelMap, tolerances: Tolerances, noise: Optional[LabelMapNoise] = None
) -> Match:
    """Compare the classes of the pixels, and the probabilities where the runtime gives some.

    A pixel may have another class where PyTorch's own logits of the two are equal but for roundings: those of float32,
    as a share of the logits' range, or those that PyTorch's further runs show; or where one of these has that class.
    No more than ``mask_share`` of the pixels may. That is all that is asked of two files, which give no probabilities.
    """
    problem = unlike("seg_map", expected.labels, actual.labels)
    if problem:
        return Match(0, 1, unmatched=[problem], ok=False)
    total = int(expected.labels.size)
    places = np.nonzero(expected.labels != actual.labels)
    if expected.probs is None:
        gaps, allowed = np.zeros(len(places[0])), np.zeros(len(places[0]))
    else:
        gaps, allowed = _gaps(expected, actual, places, tolerances, noise)
    wrong = int((~(gaps <= allowed)).sum())
    excused = len(gaps) - wrong
    lines = [f"seg_map: {wrong} of {total} pixels have another class, by up to {gaps.max():.2g}"] if wrong else []
    if excused > max(tolerances.mask_pixels, tolerances.mask_share * total):
        lines.append(f"seg_map: {excused} of {total} pixels have another class, and are ties all of them")
    difference, problems = _probs(expected, actual, tolerances, noise)
    lines += problems
    return Match(
        total - wrong,
        total,
        max_score=difference,
        max_mask=len(gaps) / max(total, 1),
        excused=excused,
        unmatched=lines,
        ok=not lines,
        missing=np.flatnonzero(expected.labels != actual.labels).tolist(),
        allowed=(0.0, float(allowed.max(initial=0.0)) if noise is not None else 0.0),
    )


def _gaps(
    expected: LabelMap,
    actual: LabelMap,
    places: Tuple[np.ndarray, ...],
    tolerances: Tolerances,
    noise: Optional[LabelMapNoise],
) -> Tuple[np.ndarray, np.ndarray]:
    """By how much PyTorch's logits of its class exceed those of the runtime's, and by how much they may; at places."""
    logits = logits_of(expected)
    ours, theirs = expected.labels[places], actual.labels[places]
    known = (theirs >= 0) & (theirs < len(logits))
    gaps = np.full(len(ours), np.inf)
    rows, columns = places[0][known], places[1][known]
    gaps[known] = logits[ours[known], rows, columns] - logits[theirs[known], rows, columns]
    allowed = np.full(len(ours), _LOGITS * tolerances.tie * float(np.ptp(logits)))
    if noise is not None:
        allowed = np.maximum(allowed, _LOGITS * NOISE_MARGIN * noise.at(places))
        gaps[noise.has(actual.labels)[places]] = 0.0
    return gaps, allowed


def _probs(
    expected: LabelMap, actual: LabelMap, tolerances: Tolerances, noise: Optional[LabelMapNoise]
) -> Tuple[Optional[float], List[str]]:
    """How far the probabilities are apart at most, and what is wrong with them."""
    if actual.probs is None or expected.probs is None:
        return None, []
    slack = 0.0 if noise is None else NOISE_MARGIN * noise.greatest
    difference, problem = compare_raw("seg_probs", expected.probs, actual.probs, tolerances, slack)
    return difference, [problem] if problem else []
