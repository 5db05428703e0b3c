"""Comparing one result of PyTorch with one of a runtime: what counts as the same answer, and what does not."""

from typing import Any, Callable, Dict, NamedTuple, Optional

from ...loading import NO_KINDS, Kinds
from ...runtime import (
    Detections,
    EditedImage,
    KeyInformation,
    LabelMap,
    Panoptic,
    Poses,
    RawOutputs,
    Result,
    Scores,
    Text,
    TextMaps,
)
from .arrays import compare_raw, match_raw, match_scores, raw_tolerance
from .detections import DetectionMatcher
from .images import match_images
from .key_information import match_key_information
from .label_maps import match_label_maps
from .noise import Noise, noise_of
from .pairing import assign
from .panoptic import match_panoptic
from .poses import match_poses
from .texts import match_texts
from .types import CHANCE, MAX_LINES, NOISE_MARGIN, Match, Tolerances

__all__ = [
    "CHANCE",
    "MAX_LINES",
    "Match",
    "NOISE_MARGIN",
    "Noise",
    "Tolerances",
    "assign",
    "compare_raw",
    "match",
    "noise_of",
    "raw_tolerance",
]


class _Asked(NamedTuple):
    score_thr: float
    limit: Optional[int]
    tolerances: Tolerances
    noise: Optional[Any]
    ordered: bool


_MATCHERS: Dict[type, Callable[[Any, Any, _Asked], Match]] = {
    Detections: lambda expected, actual, asked: DetectionMatcher(expected, actual, *asked).match(),
    Panoptic: lambda one, other, asked: match_panoptic(one, other, asked.tolerances, asked.limit, asked.noise),
    LabelMap: lambda one, other, asked: match_label_maps(one, other, asked.tolerances, asked.noise),
    Poses: lambda one, other, asked: match_poses(one, other, asked.tolerances, asked.noise),
    EditedImage: lambda one, other, asked: match_images(one, other, asked.tolerances, asked.noise),
    Scores: lambda one, other, asked: match_scores(one, other, asked.tolerances, asked.noise),
    Text: lambda one, other, asked: match_texts(one, other, asked.tolerances, asked.noise),
    TextMaps: lambda one, other, asked: match_raw(one, other, asked.tolerances, asked.noise),
    KeyInformation: lambda one, other, asked: match_key_information(one, other, asked.tolerances, asked.noise),
    RawOutputs: lambda one, other, asked: match_raw(one, other, asked.tolerances, asked.noise),
}


def match(
    expected: Result,
    actual: Result,
    *,
    score_thr: float = 0.0,
    limit: Optional[int] = None,
    tolerances: Optional[Tolerances] = None,
    noise: Optional[Noise] = None,
    ordered: bool = False,
    kinds: Kinds = NO_KINDS,
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
        kinds: how results of a codebase's own types are compared, by type.

    Raises:
        TypeError: the results are of different kinds.
    """
    asked = _Asked(score_thr, limit, tolerances or Tolerances(), noise, ordered)
    kind = type(expected)
    if kind is not type(actual):
        raise TypeError(f"cannot compare {kind.__name__} with {type(actual).__name__}")
    if kind in kinds:
        return kinds[kind].match(expected, actual, asked.tolerances, noise)
    if kind not in _MATCHERS:
        raise TypeError(f"{kind.__name__} is not a result")
    return _MATCHERS[kind](expected, actual, asked)
