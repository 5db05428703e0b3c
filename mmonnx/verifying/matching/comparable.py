"""Whether two lists of detections can be compared at all."""

from typing import Optional

import numpy as np

from ...runtime import ROTATED, Detections
from .arrays import unlike


def incomparable(expected: Detections, actual: Detections) -> Optional[str]:
    """Say in a line why PyTorch's and the runtime's detections cannot be compared; None if they can."""
    for result, name in ((actual, "the runtime"), (expected, "PyTorch")):
        if result.dets.ndim != 2 or result.dets.shape[1] != _columns(expected):
            return f"dets: {name} gives the shape {result.dets.shape}, not (n, {_columns(expected)})"
        if result.labels.shape != result.dets.shape[:1]:
            return f"labels: {name} gives the shape {result.labels.shape} for {len(result.dets)} detections"
        if not np.isfinite(result.dets).all():
            return f"dets: {name} gives {int((~np.isfinite(result.dets)).sum())} values that are NaN or infinite"
    for name in ("dets", "labels"):
        ours, theirs = getattr(expected, name).dtype, getattr(actual, name).dtype
        if ours != theirs:
            return f"{name}: the runtime gives {theirs}, PyTorch {ours}"
    return _masks(expected, actual) or _more(expected, actual)


def _columns(expected: Detections) -> int:
    """The numbers of a detection: PyTorch says whether boxes are rotated."""
    return ROTATED + 1 if expected.dets.ndim == 2 and expected.rotated else 5


def _masks(expected: Detections, actual: Detections) -> Optional[str]:
    ours, theirs = expected.masks, actual.masks
    if (expected.mask_scores is None) != (actual.mask_scores is None):
        return "mask_scores: only one side gives any"
    if ours is None and (theirs is None or not len(expected.dets)):
        return None  # a model may give no masks of nothing
    if ours is None or theirs is None:
        return f"masks: only {'PyTorch' if theirs is None else 'the runtime'} gives any"
    if len(ours) != len(expected.dets) or len(theirs) != len(actual.dets):
        return f"masks: {len(theirs)} of the runtime for {len(actual.dets)} detections"
    if len(ours) and len(theirs) and ours.shape[1:] != theirs.shape[1:]:
        return f"masks: the runtime gives the shape {theirs.shape[1:]}, PyTorch {ours.shape[1:]}"
    if any(masks.dtype.kind == "f" and np.isnan(masks).any() for masks in (ours, theirs)):
        return "masks: some values are NaN"
    return None


def _more(expected: Detections, actual: Detections) -> Optional[str]:
    """The same of what else there is of each detection."""
    for name in sorted({*expected.more, *actual.more}):
        if name not in expected.more or name not in actual.more:
            return f"{name}: only {'PyTorch' if name in expected.more else 'the runtime'} gives any"
        ours, theirs = expected.more[name], actual.more[name]
        if len(theirs) != len(actual.dets):
            return f"{name}: {len(theirs)} of the runtime for {len(actual.dets)} detections"
        if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
            return f"{name}: some values are NaN or infinite"
        # how many there are is for the boxes to say
        problem = unlike(name, ours[:1], theirs[:1]) if len(ours) and len(theirs) else None
        if problem:
            return problem
    return None
