"""Comparing one result of PyTorch with one of a runtime: what counts as the same answer, and what does not."""

from typing import Optional, Sequence

from mmonnx.codebases.base import Detections, Panoptic, RawOutputs, Result, Scores
from mmonnx.matching.arrays import match_raw, match_scores
from mmonnx.matching.detections import DetectionMatcher
from mmonnx.matching.panoptic import match_panoptic
from mmonnx.matching.types import MAX_LINES, Match, Tolerances

__all__ = ["MAX_LINES", "Match", "Tolerances", "match"]


def match(
    expected: Result,
    actual: Result,
    *,
    score_thr: float = 0.0,
    limit: Optional[int] = None,
    tolerances: Optional[Tolerances] = None,
    unsteady: Sequence[int] = (),
    slack: float = 0.0,
) -> Match:
    """Compare a runtime's result with PyTorch's.

    Detections are matched one to one, whatever their order: same label, box and score within the tolerances. The
    assignment is a maximum one, so that crowded boxes cannot be mismatched by bad luck. Without a counterpart may be:
    a detection at the score threshold; and one of two detections with equal scores, one on each side, where the tie
    shows in the results (other detections have that score, or it is the last one of a full list).

    Args:
        expected: PyTorch's result.
        actual: the runtime's result, of the same kind.
        score_thr: the model's score threshold; 0.0 for none.
        limit: the most detections that the model returns per image, if known: a list of that length is full.
        tolerances: what may differ; the defaults are those that mmonnx promises.
        unsteady: indices of PyTorch's detections that PyTorch itself does not give again; they may be missing or have
            other masks, and as many others may be there instead.
        slack: how far PyTorch's own class probabilities are from each other when it is asked again; up to ten times
            the tolerance, the runtime's may be as far.

    Raises:
        TypeError: the results are of different kinds.
    """
    tolerances = tolerances or Tolerances()
    if type(expected) is not type(actual):
        raise TypeError(f"cannot compare {type(expected).__name__} with {type(actual).__name__}")
    if isinstance(expected, Detections):
        return DetectionMatcher(expected, actual, score_thr, limit, tolerances, unsteady).match()
    if isinstance(expected, Panoptic):
        return match_panoptic(expected, actual, tolerances, limit, unsteady)
    if isinstance(expected, Scores):
        return match_scores(expected, actual, tolerances, slack)
    if isinstance(expected, RawOutputs):
        return match_raw(expected, actual, tolerances)
    raise TypeError(f"{type(expected).__name__} is no result")
