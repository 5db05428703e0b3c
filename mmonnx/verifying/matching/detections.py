"""Matching detections one to one."""

from typing import Callable, Dict, List, Optional, Tuple

import numpy as np

from ...runtime import Detections
from .arrays import raw_tolerance
from .comparable import incomparable
from .noise import DetectionNoise
from .pairing import Gaps, assign, box_iou, heaviest, wrong_pixels
from .types import MAX_LINES, NOISE_MARGIN, Match, Tolerances

Pairs = List[Tuple[int, int]]
_LAST = 5e-7
"""Scores this close may change places at the end of a full list: ONNX Runtime's Sigmoid is off by up to 1.7e-7."""


class DetectionMatcher:
    """The comparison of two lists of detections, step by step.

    Args:
        expected, actual: PyTorch's detections and the runtime's.
        score_thr, limit, tolerances, ordered: see :func:`mmonnx.verifying.matching.match`.
        noise: how PyTorch's detections move when it rounds otherwise, None if it was not asked.
    """

    def __init__(
        self,
        expected: Detections,
        actual: Detections,
        score_thr: float,
        limit: Optional[int],
        tolerances: Tolerances,
        noise: Optional[DetectionNoise] = None,
        ordered: bool = False,
    ) -> None:
        self.expected, self.actual, self.noise, self.ordered = expected, actual, noise, ordered
        self.score_thr, self.limit, self.tolerances = score_thr, limit, tolerances

    def match(self) -> Match:
        """Match the detections one to one; arguments are the constructor's."""
        problem = incomparable(self.expected, self.actual)
        if problem:
            return Match(0, max(1, len(self.expected.dets)), unmatched=[problem], ok=False)
        self.gaps = Gaps(self.expected, self.actual, self.tolerances)
        self.allowed_box, self.allowed_score = self._allowed()
        pairs = self._assign()
        bad_masks, max_mask = self._masks(pairs)
        bad = {**self._more(pairs), **bad_masks}
        rest = np.setdiff1d(np.arange(len(self.expected.dets)), [i for i, _ in pairs])
        extra = np.setdiff1d(np.arange(len(self.actual.dets)), [j for _, j in pairs])
        missing = sorted({*map(int, rest), *bad})
        rest, extra, excused = self._excuse(rest, extra)
        near = self._near(rest, extra)
        shown = pairs + near
        lines = list(bad.values()) + self._lines(rest, extra, dict(near)) + self._disorder(pairs)
        noisy = [pair for pair in pairs if self._beyond(pair)]
        return Match(
            matched=len(pairs) - len(bad),
            total=len(self.expected.dets) + len(extra),
            max_box=max((float(self.gaps.box[pair]) for pair in shown), default=None),
            max_score=max((float(self.gaps.score[pair]) for pair in shown), default=None),
            max_mask=max_mask,
            excused=excused + len(noisy),
            unmatched=lines[:MAX_LINES],
            ok=not lines,
            missing=missing,
            allowed=(
                max((float(self.allowed_box[i]) for i, _ in noisy), default=0.0),
                max((float(self.allowed_score[i]) for i, _ in noisy), default=0.0),
            ),
        )

    def _allowed(self) -> Tuple[np.ndarray, np.ndarray]:
        """How far the runtime's box and score may be from each of PyTorch's: the tolerance, or its own noise."""
        box = np.full(len(self.expected.dets), self.tolerances.box)
        score = np.full(len(self.expected.dets), self.tolerances.score)
        if self.noise is not None:
            box, score = (
                np.maximum(box, NOISE_MARGIN * self.noise.box),
                np.maximum(score, NOISE_MARGIN * self.noise.score),
            )
        return box, score

    def _beyond(self, pair: Tuple[int, int]) -> bool:
        """Whether a pair is one by the noise of PyTorch alone."""
        gaps = self.gaps.box[pair] > self.tolerances.box, self.gaps.score[pair] > self.tolerances.score
        return bool(any(gaps))

    def _assign(self) -> Pairs:
        """Pair as many detections as possible; among such assignments, excusable ones stay out, and gaps are small."""
        box, score = self.allowed_box[:, None], self.allowed_score[:, None]
        fits = self.gaps.same & (self.gaps.box <= box) & (self.gaps.score <= score)
        closeness = 2.0 - self.gaps.box / box - self.gaps.score / score
        needed = (~self._at_threshold(self.expected))[:, None] * 1.0 + (~self._at_threshold(self.actual))[None]
        return assign(fits, closeness, needed)

    def _at_threshold(self, result: Detections) -> np.ndarray:
        scores = result.scores.astype(np.float64)
        noise = 0.0 if self.noise is None else NOISE_MARGIN * self.noise.typical_score
        return (np.abs(scores - self.score_thr) <= max(self.tolerances.threshold, noise)) & (self.score_thr > 0)

    def _excuse(self, rest: np.ndarray, extra: np.ndarray) -> Tuple[np.ndarray, np.ndarray, int]:
        """Take the excusable ones out of what has no counterpart: the two lists that stay, and how many went."""
        unmatched = len(rest) + len(extra)
        rest = rest[~self._at_threshold(self.expected)[rest]]
        extra = extra[~self._at_threshold(self.actual)[extra]]
        if self.noise is None:  # nobody can be asked what is an accident
            rest, extra = self._without(self._tied, rest, extra)
        else:
            rest, extra = self._without(self._last_of_full, rest, extra)
            # what PyTorch itself gives or not may be missing, and what it gives in one of its further runs be there
            given = self.noise.gives(self.actual, extra, self.tolerances)
            accidents = int(given.sum())
            extra = extra[~given]
            rest = self._not_crowded_out(rest[~self.noise.absent[rest]], accidents)
        return rest, extra, unmatched - len(rest) - len(extra)

    def _without(
        self, tied: Callable[[int, int], bool], rest: np.ndarray, extra: np.ndarray
    ) -> Tuple[np.ndarray, np.ndarray]:
        """Without pairs of different objects that are tied, either of which may win."""
        if not len(rest) or not len(extra):
            return rest, extra
        ties = np.array([[tied(i, j) for j in extra] for i in rest])
        gone = [(row, column) for row, column in heaviest(ties) if ties[row, column]]
        return np.delete(rest, [row for row, _ in gone]), np.delete(extra, [column for _, column in gone])

    def _not_crowded_out(self, steady: np.ndarray, accidents: int) -> np.ndarray:
        """Without those for which the runtime's full list has no room: accidents may score higher.

        Args:
            steady: indices of PyTorch's detections that it does give again, by falling score.
            accidents: how many others the runtime has that PyTorch gives in a further run.
        """
        if self.limit is None or len(self.actual.dets) < self.limit or not len(steady):
            return steady
        low = self.expected.scores[steady] <= self.actual.scores.min()
        return steady[: max(int((~low).sum()), len(steady) - accidents)]

    def _tied(self, i: int, j: int) -> bool:
        """Whether PyTorch's i and the runtime's j are different objects of one score, either of which may win.

        The tie has to show, otherwise a box in a wrong place with the right score would pass for one.
        """
        tie = self.tolerances.tie
        if not self._are_others(i, j, tie):
            return False
        ours, theirs = self.expected.scores, self.actual.scores
        one, two = ours[i], theirs[j]
        visible = max((np.abs(ours - one) <= tie).sum(), (np.abs(theirs - two) <= tie).sum()) > 1
        return bool(visible or self._are_last(i, j, tie))

    def _last_of_full(self, i: int, j: int) -> bool:
        """Whether PyTorch's i and the runtime's j are different objects at the end of a full list, of almost one score.

        PyTorch's own further runs do not show it where scores are small: what ONNX Runtime's Sigmoid is off by is the
        same whatever comes out, and a hundred roundings of 0.01.
        """
        return self._are_others(i, j, _LAST) and self._are_last(i, j, _LAST)

    def _are_others(self, i: int, j: int, tie: float) -> bool:
        """Whether two scores differ by no more than a tie does, and two objects by more than that."""
        same = self.gaps.same[i, j] and box_iou(self.expected.dets[i], self.actual.dets[j]) > 0.9
        return bool(self.gaps.score[i, j] <= tie and not same)

    def _are_last(self, i: int, j: int, tie: float) -> bool:
        """Whether both lists are full, and both scores within a tie of the least one."""
        ours, theirs = self.expected.scores, self.actual.scores
        full = self.limit is not None and min(len(ours), len(theirs)) >= self.limit
        return bool(full and ours[i] - ours.min() <= tie and theirs[j] - theirs.min() <= tie)

    def _near(self, rest: np.ndarray, extra: np.ndarray) -> Pairs:
        """Pairs that are the same object to the eye and out of tolerance, so that the table shows by how much."""
        if not len(rest) or not len(extra):
            return []
        alike = np.array(
            [[self.gaps.same[i, j] * box_iou(self.expected.dets[i], self.actual.dets[j]) for j in extra] for i in rest]
        )
        return [(int(rest[r]), int(extra[c])) for r, c in heaviest(alike) if alike[r, c] > 0.5]

    def _masks(self, pairs: Pairs) -> Tuple[Dict[int, str], Optional[float]]:
        """Compare the masks of the pairs: by PyTorch's index a line for what differs; 1 - the lowest IoU."""
        lines: Dict[int, str] = {}
        if self.expected.masks is None or self.actual.masks is None:
            return lines, None
        lowest = 1.0
        for i, j in pairs:
            wrong, union = wrong_pixels(self.expected.masks[i], self.actual.masks[j], self.tolerances.threshold)
            lowest = min(lowest, 1 - wrong / union if union else 1.0)
            own = 0.0 if self.noise is None else NOISE_MARGIN * self.noise.mask[i]
            if wrong > max(self.tolerances.mask_pixels, self.tolerances.mask_share * union, own):
                lines[i] = f"mask of {self._name(self.expected, i)}: {wrong} of {union} pixels differ"
                continue
            if self.expected.mask_scores is not None and self.actual.mask_scores is not None:
                gap = abs(float(self.expected.mask_scores[i]) - float(self.actual.mask_scores[j]))
                own = 0.0 if self.noise is None else NOISE_MARGIN * self.noise.mask_score[i]
                if gap > max(self.tolerances.score, own):
                    lines[i] = f"mask score of {self._name(self.expected, i)}: off by {gap:.2g}"
        return lines, 1 - lowest

    def _more(self, pairs: Pairs) -> Dict[int, str]:
        """Compare what else there is of the pairs: by PyTorch's index a line for what differs."""
        lines: Dict[int, str] = {}
        for name, ours in self.expected.more.items() if pairs else ():
            usual = raw_tolerance(ours, self.tolerances) if ours.dtype.kind == "f" else 0.0
            for i, j in pairs:
                gap = np.abs(ours[i].astype(np.float64) - self.actual.more[name][j]).max(initial=0.0)
                allowed = usual if self.noise is None else max(usual, NOISE_MARGIN * float(self.noise.more[name][i]))
                if gap > allowed:
                    where = self._name(self.expected, i)
                    lines[i] = f"{name} of {where}: off by {gap:.2g}, at most {allowed:.2g} is right"
        return lines

    def _disorder(self, pairs: Pairs) -> List[str]:
        """Say where the pairs are in another order on the two sides, though their scores are not equal."""
        if not self.ordered:
            return []
        scores = self.expected.scores.astype(np.float64)
        ours = scores[[i for i, _ in sorted(pairs)]]
        theirs = scores[[i for i, _ in sorted(pairs, key=lambda pair: pair[1])]]
        tie = 2 * self.allowed_score.max(initial=0.0)
        wrong = np.flatnonzero(np.abs(ours - theirs) > tie)
        if not len(wrong):
            return []
        place = int(wrong[0])
        return [f"order: place {place + 1} has the score {theirs[place]:.4f} of PyTorch's, not {ours[place]:.4f}"]

    @staticmethod
    def _name(result: Detections, index: int) -> str:
        box = ", ".join(f"{value:.1f}" for value in result.boxes[index])
        return f"label {int(result.labels[index])} at ({box}) score {result.scores[index]:.4f}"

    def _lines(self, rest: np.ndarray, extra: np.ndarray, near: Dict[int, int]) -> List[str]:
        lines = []
        for i in rest:
            line = f"only PyTorch has {self._name(self.expected, i)}"
            if int(i) in near:
                pair = int(i), near[int(i)]
                line = (
                    f"{self._name(self.expected, i)}: off by {self.gaps.box[pair]:.3g} px, "
                    f"score by {self.gaps.score[pair]:.2g}"
                )
            lines.append(line)
        taken = set(near.values())
        return lines + [f"only the runtime has {self._name(self.actual, j)}" for j in extra if int(j) not in taken]
