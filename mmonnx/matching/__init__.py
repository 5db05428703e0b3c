"""Comparing one result of PyTorch with one of a runtime: what counts as the same answer, and what does not."""

from typing import Optional

from mmonnx.codebases.base import Detections, Panoptic, RawOutputs, Result, Scores
from mmonnx.matching.arrays import compare_raw, match_raw, match_scores
from mmonnx.matching.detections import DetectionMatcher
from mmonnx.matching.noise import Noise, noise_of
from mmonnx.matching.panoptic import match_panoptic
from mmonnx.matching.types import CHANCE, MAX_LINES, NOISE_MARGIN, Match, Tolerances

__all__ = ["CHANCE", "MAX_LINES", "NOISE_MARGIN", "Match", "Noise", "Tolerances", "compare_raw", "match", "noise_of"]


def match(
    expected: Result,
    actual: Result,
    *,
    score_thr: float = 0.0,
    limit: Optional[int] = None,
    tolerances: Optional[Tolerances] = None,
    noise: Optional[Noise] = None,
    ordered: bool = False,
) -> Match:
    """Compare a runtime's result with PyTorch's.

    Detections are matched one to one, whatever their order: same label, box and score within the tolerances. The
    assignment is a maximum one, so that crowded boxes cannot be mismatched by bad luck. Without a counterpart may be: a
    detection at the score threshold; one of PyTorch's that it does not give in all of its further runs; one of the
    runtime's that PyTorch gives in one of them. Where nobody asked PyTorch again, one of two detections with equal
    scores, one on each side, may be, if the tie shows in the results (other detections have that score, or it is the
    last one of a full list).

    Args:
        expected: PyTorch's result.
        actual: the runtime's result, of the same kind.
        score_thr: the model's score threshold; 0.0 for none.
        limit: the most detections that the model returns per image, if known: a list of that length is full.
        tolerances: what may differ; the defaults are those that mmonnx promises.
        noise: how PyTorch's own answer differs when it rounds otherwise, see :func:`noise_of`; None for not asked.
        ordered: detections have to be in the same order as well, but for equal scores.

    Raises:
        TypeError: the results are of different kinds.
    """
    tolerances = tolerances or Tolerances()
    if type(expected) is not type(actual):
        raise TypeError(f"cannot compare {type(expected).__name__} with {type(actual).__name__}")
    if isinstance(expected, Detections):
        return DetectionMatcher(expected, actual, score_thr, limit, tolerances, noise, ordered).match()
    if isinstance(expected, Panoptic):
        return match_panoptic(expected, actual, tolerances, limit, noise)
    if isinstance(expected, Scores):
        return match_scores(expected, actual, tolerances, noise)
    if isinstance(expected, RawOutputs):
        return match_raw(expected, actual, tolerances, noise)
    raise TypeError(f"{type(expected).__name__} is no result")
