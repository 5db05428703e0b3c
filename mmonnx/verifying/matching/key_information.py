"""Comparing what texts are, and which belong together."""

from typing import List, Optional

import numpy as np

from ...runtime import KeyInformation
from .arrays import raw_tolerance, unlike
from .noise import ArrayNoise, greatest_of
from .types import MAX_LINES, NOISE_MARGIN, Match, Tolerances


def match_key_information(
    expected: KeyInformation, actual: KeyInformation, tolerances: Tolerances, noise: Optional[ArrayNoise] = None
) -> Match:
    """Compare the probabilities of texts and of pairs of them, and what is likeliest, but for ties.

    Each text counts, and each pair. See :func:`mmonnx.verifying.matching.match`.
    """
    lines: List[str] = []
    total = matched = excused = 0
    most = greatest = 0.0
    for name, ours in expected.values.items():
        theirs = actual.values[name]
        total += max(len(ours), 1)
        problem = unlike(name, ours, theirs)
        if problem or not ours.size:
            lines.append(problem or f"{name}: empty")
            continue
        usual = raw_tolerance(ours, tolerances)
        allowed = max(usual, NOISE_MARGIN * greatest_of(noise, name))
        gaps = np.abs(ours.astype(np.float64) - theirs).max(1)
        rows = np.arange(len(ours))
        behind = ours.max(1) - ours[rows, theirs.argmax(1)]  # 0 where the likeliest one is the same
        right = (gaps <= allowed) & (behind <= 2 * allowed)
        matched += int(right.sum())
        over = right & ((gaps > usual) | (behind > 2 * usual))
        excused += int(over.sum())
        most = max(most, allowed if over.any() else 0.0)
        greatest = max(greatest, float(gaps.max()))
        if not right.all():
            others = int((behind[~right] > 2 * allowed).sum())
            lines.append(
                f"{name}: {int((~right).sum())} of {len(right)} rows differ by up to {gaps.max():.2g}, "
                f"at most {allowed:.2g} is right; {others} have another class"
            )
    return Match(
        matched,
        total,
        max_score=greatest,
        excused=excused,
        unmatched=lines[:MAX_LINES],
        ok=not lines,
        allowed=(0.0, most),
    )
