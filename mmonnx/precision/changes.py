"""What becomes of single answers: detections that find each other again by overlap, and how far scores move."""

from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

import numpy as np

from ..runtime import DEFAULT_RUNTIME, Classifier, Detections, Detector, Scores, open_model
from .agreement import SURE, best, iou, match

MOST = 50
"""Pictures that are compared."""


@dataclass(frozen=True)
class Changes:
    """The answers of a reduced file beside those of the float32 file.

    Attributes:
        pictures: how many were compared.
        kept: sure detections of the float32 file that the other one has, or pictures of which it names the same class.
        total: out of so many.
        extra: sure detections that only the reduced file has.
        scores: the median, the 95th percentile and the greatest of what scores of these move by.
        overlaps: the median, the 5th percentile and the least of what their boxes overlap by; empty for classes.
    """

    pictures: int
    kept: int
    total: int
    extra: int
    scores: Tuple[float, ...]
    overlaps: Tuple[float, ...]

    def rows(self) -> List[Tuple[str, str]]:
        """For people."""
        what = "detections" if self.overlaps else "classes"
        extra = f", {self.extra} others beside them" if self.overlaps else ""
        lines = [("found again", f"{self.kept} of {self.total} {what} in {self.pictures} pictures{extra}")]
        if self.scores:
            median, most, greatest = self.scores
            lines.append(("scores", f"moved by {median:.4f} (median), {most:.4f} (95 %), {greatest:.4f} at most"))
        if self.overlaps:
            median, least, worst = self.overlaps
            lines.append(("boxes", f"overlap by {median:.4f} (median), {least:.4f} (5 %), {worst:.4f} at least"))
        return lines


def changes(float32: str, reduced: str, pictures: Sequence[str], runtime: str = DEFAULT_RUNTIME) -> Optional[Changes]:
    """Compare the answers of two files on pictures, the second one's in a runtime; None where that is not known how."""
    first, second = open_model(float32, "cpu"), open_model(reduced, "cpu", runtime=runtime)
    chosen = list(pictures)[:MOST]
    if isinstance(first, Classifier) and isinstance(second, Classifier):
        return _of_classes([(first(picture), second(picture)) for picture in chosen])
    if isinstance(first, Detector) and isinstance(second, Detector):
        pairs = [(first(picture), second(picture)) for picture in chosen]
        return None if any(one.rotated for one, _ in pairs) else of_detections(pairs)
    return None


def of_detections(pairs: Sequence[Tuple[Detections, Detections]]) -> Changes:
    """Of each picture what the float32 file found, and the reduced one."""
    moved: List[float] = []
    overlaps: List[float] = []
    total = extra = 0
    for expected, actual in pairs:
        found = dict(match(expected, actual))
        known = np.flatnonzero(expected.scores >= SURE)
        total += len(known)
        extra += len(set(np.flatnonzero(actual.scores >= SURE).tolist()) - set(found.values()))
        for row in known.tolist():
            if row in found:
                other = found[row]
                moved.append(abs(float(expected.scores[row] - actual.scores[other])))
                overlaps.append(float(iou(expected.dets[row : row + 1, :4], actual.dets[other : other + 1, :4])[0, 0]))
    return Changes(len(pairs), len(moved), total, extra, _high(moved), _low(overlaps))


def _of_classes(pairs: Sequence[Tuple[Scores, Scores]]) -> Changes:
    same = [best(one) == best(other) for one, other in pairs]
    moved = [abs(float(one.probs.max() - other.probs.max())) for one, other in pairs]
    return Changes(len(pairs), sum(same), len(pairs), 0, _high(moved), ())


def _high(values: Sequence[float]) -> Tuple[float, ...]:
    return tuple(np.percentile(values, (50, 95, 100)).tolist()) if values else ()


def _low(values: Sequence[float]) -> Tuple[float, ...]:
    return tuple(np.percentile(values, (50, 5, 0)).tolist()) if values else ()
