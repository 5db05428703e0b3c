"""Comparing what was read."""

from typing import List, Optional, Tuple

from ...runtime import Text
from .arrays import compare_raw
from .noise import TextNoise, common_steps
from .types import NOISE_MARGIN, Match, Tolerances


def match_texts(expected: Text, actual: Text, tolerances: Tolerances, noise: Optional[TextNoise] = None) -> Match:
    """Compare two texts, which have to be equal, and the scores of all characters at the steps that were read.

    Scores are compared as shares of their range. Where PyTorch's own further runs read another text, the runtime may
    read that one; the steps are compared up to the first that has another character.
    """
    lines: List[str] = []
    excused = False
    if expected.text != actual.text:
        excused = noise is not None and actual.text in noise.texts
        lines = [] if excused else [f"the runtime reads {actual.text!r}, PyTorch {expected.text!r}"]
    difference, allowed, problem = _steps(expected, actual, tolerances, noise)
    lines += [problem] if problem else []
    return Match(
        int(not lines),
        1,
        max_score=difference,
        excused=int(excused or (allowed > 0 and not lines)),
        unmatched=lines,
        ok=not lines,
        allowed=(0.0, allowed),
    )


def _steps(
    expected: Text, actual: Text, tolerances: Tolerances, noise: Optional[TextNoise]
) -> Tuple[Optional[float], float, Optional[str]]:
    """How far scores are apart at most, how far they may be where the tolerance does not serve, and what is wrong."""
    ours, theirs = expected.steps, actual.steps
    if ours is None or theirs is None:
        return None, 0.0, None if ours is theirs else "only one side has scores"
    if ours.shape[1:] != theirs.shape[1:]:
        return None, 0.0, f"the runtime has scores of {theirs.shape[1:]} characters, PyTorch of {ours.shape[1:]}"
    count = common_steps(ours, theirs)
    if expected.text == actual.text and len(ours) != len(theirs):
        return None, 0.0, f"the runtime reads {len(theirs)} steps, PyTorch {len(ours)}"
    difference, problem = compare_raw("scores", ours[:count], theirs[:count], tolerances)
    slack = NOISE_MARGIN * noise.greatest if noise is not None else 0.0
    if problem and slack:
        difference, problem = compare_raw("scores", ours[:count], theirs[:count], tolerances, slack)
        return difference, slack, problem
    return difference, 0.0, problem
