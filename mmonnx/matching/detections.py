"""Matching detections one to one."""

from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from mmonnx.codebases.base import Detections
from mmonnx.matching.arrays import raw_tolerance, unlike
from mmonnx.matching.types import MAX_LINES, Match, Tolerances

_SAMPLE = 128
"""Rows and columns at which masks are looked at to tell which is which."""


class DetectionMatcher:
    """The comparison of two lists of detections, step by step."""

    def __init__(
        self,
        expected: Detections,
        actual: Detections,
        score_thr: float,
        limit: Optional[int],
        tolerances: Tolerances,
        unsteady: Sequence[int] = (),
    ) -> None:
        self.expected, self.actual, self.unsteady = expected, actual, unsteady
        self.score_thr, self.limit, self.tolerances = score_thr, limit, tolerances

    def match(self) -> Match:
        problem = self._problem()
        if problem:
            return Match(0, max(1, len(self.expected.dets)), unmatched=[problem], ok=False)
        label_same = self.expected.labels[:, None] == self.actual.labels[None]
        left, right = self.expected.dets.astype(np.float64), self.actual.dets.astype(np.float64)
        self.box_gap = np.abs(left[:, None, :4] - right[None, :, :4]).max(axis=2)
        self.score_gap = np.abs(left[:, None, 4] - right[None, :, 4])
        self.same = label_same & self._masks_alike() if self._boxless() else label_same
        pairs = self._assign()
        bad_masks, max_mask = self._masks(pairs)
        bad = {**self._more(pairs), **bad_masks}
        rest = np.setdiff1d(np.arange(len(left)), [i for i, _ in pairs])
        extra = np.setdiff1d(np.arange(len(right)), [j for _, j in pairs])
        missing = sorted({*map(int, rest), *bad})
        rest, extra, excused = self._excuse(rest, extra)
        # a mask or a key point that PyTorch itself does not give again
        wrong = [line for i, line in bad.items() if i not in self.unsteady]
        excused += len(bad) - len(wrong)
        near = self._near(rest, extra)
        shown = pairs + near
        lines = wrong + self._lines(rest, extra, dict(near))
        return Match(
            matched=len(pairs) - len(bad),
            total=len(left) + len(extra),
            max_box=max((float(self.box_gap[pair]) for pair in shown), default=None),
            max_score=max((float(self.score_gap[pair]) for pair in shown), default=None),
            max_mask=max_mask,
            excused=excused,
            unmatched=lines[:MAX_LINES],
            ok=not lines,
            missing=missing,
        )

    def _problem(self) -> Optional[str]:
        """Say why the two lists cannot be compared at all."""
        for side, result in (("runtime", self.actual), ("PyTorch", self.expected)):
            name = "PyTorch" if side == "PyTorch" else "the runtime"
            if result.dets.ndim != 2 or result.dets.shape[1] != 5:
                return f"dets: {name} gives the shape {result.dets.shape}, not (n, 5)"
            if result.labels.shape != result.dets.shape[:1]:
                return f"labels: {name} gives the shape {result.labels.shape} for {len(result.dets)} detections"
            if not np.isfinite(result.dets).all():
                return f"dets: {name} gives {int((~np.isfinite(result.dets)).sum())} values that are NaN or infinite"
        for name in ("dets", "labels"):
            ours, theirs = getattr(self.expected, name).dtype, getattr(self.actual, name).dtype
            if ours != theirs:
                return f"{name}: the runtime gives {theirs}, PyTorch {ours}"
        return self._mask_problem() or self._more_problem()

    def _mask_problem(self) -> Optional[str]:
        ours, theirs = self.expected.masks, self.actual.masks
        if (self.expected.mask_scores is None) != (self.actual.mask_scores is None):
            return "mask_scores: only one side gives any"
        if ours is None and theirs is None:
            return None
        if ours is None or theirs is None:
            return f"masks: only {'PyTorch' if theirs is None else 'the runtime'} gives any"
        if len(ours) != len(self.expected.dets) or len(theirs) != len(self.actual.dets):
            return f"masks: {len(theirs)} of the runtime for {len(self.actual.dets)} detections"
        if len(ours) and len(theirs) and ours.shape[1:] != theirs.shape[1:]:
            return f"masks: the runtime gives the shape {theirs.shape[1:]}, PyTorch {ours.shape[1:]}"
        for masks in (ours, theirs):
            if masks.dtype.kind == "f" and np.isnan(masks).any():
                return "masks: some values are NaN"
        return None

    def _more_problem(self) -> Optional[str]:
        """Say why what else there is of each detection cannot be compared at all."""
        for name in sorted({*self.expected.more, *self.actual.more}):
            if name not in self.expected.more or name not in self.actual.more:
                return f"{name}: only {'PyTorch' if name in self.expected.more else 'the runtime'} gives any"
            ours, theirs = self.expected.more[name], self.actual.more[name]
            if len(theirs) != len(self.actual.dets):
                return f"{name}: {len(theirs)} of the runtime for {len(self.actual.dets)} detections"
            if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
                return f"{name}: some values are NaN or infinite"
            # how many there are is for the boxes to say
            problem = unlike(name, ours[:1], theirs[:1]) if len(ours) and len(theirs) else None
            if problem:
                return problem
        return None

    def _boxless(self) -> bool:
        """Whether the masks alone tell where a detection is: some models give zeros for boxes."""
        both = (self.expected, self.actual)
        return all(result.masks is not None and len(result.dets) and not result.dets[:, :4].any() for result in both)

    def _masks_alike(self) -> np.ndarray:
        """(n, m) bool, whether two masks have more pixels in common than not; looked at a sample of them."""
        steps = [max(1, size // _SAMPLE) for size in self.expected.masks.shape[1:]]
        ours, theirs = (
            (result.masks[:, :: steps[0], :: steps[1]] > 0.5).reshape(len(result.masks), -1).astype(np.float32)
            for result in (self.expected, self.actual)
        )
        shared = ours @ theirs.T
        union = ours.sum(1)[:, None] + theirs.sum(1)[None] - shared
        return (shared > 0.5 * union) | (union <= self.tolerances.mask_pixels)

    def _assign(self) -> List[Tuple[int, int]]:
        """Pair as many detections as possible; among such assignments, excusable ones stay out, and gaps are small."""
        fits = self.same & (self.box_gap <= self.tolerances.box) & (self.score_gap <= self.tolerances.score)
        if not fits.any():
            return []
        closeness = 2.0 - self.box_gap / self.tolerances.box - self.score_gap / self.tolerances.score
        # Three goals of falling rank in one weight: cover what nothing excuses, cover many, sit close (0 to 2 a pair).
        many = 4.0 * min(fits.shape)
        needed = (~self._at_threshold(self.expected))[:, None] * 1.0 + (~self._at_threshold(self.actual))[None]
        weights = np.where(fits, needed * many * many + many + closeness, 0.0)
        rows, columns = linear_sum_assignment(weights, maximize=True)
        return [(int(i), int(j)) for i, j in zip(rows, columns) if fits[i, j]]

    def _at_threshold(self, result: Detections) -> np.ndarray:
        scores = result.dets[:, 4].astype(np.float64)
        return (np.abs(scores - self.score_thr) <= self.tolerances.threshold) & (self.score_thr > 0)

    def _excuse(self, rest: np.ndarray, extra: np.ndarray) -> Tuple[np.ndarray, np.ndarray, int]:
        """Take the excusable ones out of what has no counterpart: the two lists that stay, and how many went."""
        unmatched = len(rest) + len(extra)
        rest = rest[~self._at_threshold(self.expected)[rest]]
        extra = extra[~self._at_threshold(self.actual)[extra]]
        if len(rest) and len(extra):
            tied = np.array([[self._tied(i, j) for j in extra] for i in rest])
            rows, columns = linear_sum_assignment(tied, maximize=True)
            gone = tied[rows, columns]
            rest, extra = np.delete(rest, rows[gone]), np.delete(extra, columns[gone])
        # What PyTorch itself gives or not may be missing, and as many others may be in its place.
        steady = self._not_crowded_out(rest[~np.isin(rest, self.unsteady)], int(np.isin(rest, self.unsteady).sum()))
        near = [j for _, j in self._near(steady, extra)]
        extra = extra[np.argsort(np.isin(extra, near), kind="stable")]  # these explain what is wrong: they go last
        rest, extra = steady, extra[len(rest) - len(steady) :]
        return rest, extra, unmatched - len(rest) - len(extra)

    def _not_crowded_out(self, steady: np.ndarray, accidents: int) -> np.ndarray:
        """Without those for which the runtime's full list has no room: other accidents than PyTorch's may score higher.

        Args:
            steady: indices of PyTorch's detections that it does give again, by falling score.
            accidents: how many others it does not; each may crowd out one.
        """
        if self.limit is None or len(self.actual.dets) < self.limit or not len(steady):
            return steady
        low = self.expected.dets[steady, 4] <= self.actual.dets[:, 4].min()
        return steady[: max(int((~low).sum()), len(steady) - accidents)]

    def _tied(self, i: int, j: int) -> bool:
        """Whether PyTorch's i and the runtime's j are different objects of one score, either of which may win.

        The tie has to show, otherwise a box in a wrong place with the right score would pass for one.
        """
        tie = self.tolerances.tie
        if self.score_gap[i, j] > tie:
            return False
        one, two = self.expected.dets[i], self.actual.dets[j]
        if self.same[i, j] and box_iou(one, two) > 0.9:
            return False
        ours, theirs = self.expected.dets[:, 4], self.actual.dets[:, 4]
        visible = max((np.abs(ours - one[4]) <= tie).sum(), (np.abs(theirs - two[4]) <= tie).sum()) > 1
        full = self.limit is not None and min(len(ours), len(theirs)) >= self.limit
        last = one[4] - ours.min() <= tie and two[4] - theirs.min() <= tie
        return bool(visible or (full and last))

    def _near(self, rest: np.ndarray, extra: np.ndarray) -> List[Tuple[int, int]]:
        """Pairs that are the same object to the eye and out of tolerance, so that the table shows by how much."""
        if not len(rest) or not len(extra):
            return []
        alike = np.array(
            [[self.same[i, j] * box_iou(self.expected.dets[i], self.actual.dets[j]) for j in extra] for i in rest]
        )
        rows, columns = linear_sum_assignment(alike, maximize=True)
        return [(int(rest[r]), int(extra[c])) for r, c in zip(rows, columns) if alike[r, c] > 0.5]

    def _masks(self, pairs: List[Tuple[int, int]]) -> Tuple[Dict[int, str], Optional[float]]:
        """Compare the masks of the pairs: by PyTorch's index a line for what differs; 1 - the lowest IoU."""
        lines: Dict[int, str] = {}
        if self.expected.masks is None or self.actual.masks is None:
            return lines, None
        lowest = 1.0
        for i, j in pairs:
            ours, theirs = (masks > 0.5 for masks in (self.expected.masks[i], self.actual.masks[j]))
            union, wrong = int((ours | theirs).sum()), int((ours ^ theirs).sum())
            lowest = min(lowest, 1 - wrong / union if union else 1.0)
            if wrong > max(self.tolerances.mask_pixels, self.tolerances.mask_share * union):
                lines[i] = f"mask of {self._name(self.expected, i)}: {wrong} of {union} pixels differ"
                continue
            if self.expected.mask_scores is not None:
                gap = abs(float(self.expected.mask_scores[i]) - float(self.actual.mask_scores[j]))
                if gap > self.tolerances.score:
                    lines[i] = f"mask score of {self._name(self.expected, i)}: off by {gap:.2g}"
        return lines, 1 - lowest

    def _more(self, pairs: List[Tuple[int, int]]) -> Dict[int, str]:
        """Compare what else there is of the pairs: by PyTorch's index a line for what differs."""
        lines: Dict[int, str] = {}
        for name, ours in self.expected.more.items() if pairs else ():
            allowed = raw_tolerance(ours, self.tolerances) if ours.dtype.kind == "f" else 0.0
            for i, j in pairs:
                gap = np.abs(ours[i].astype(np.float64) - self.actual.more[name][j]).max(initial=0.0)
                if gap > allowed:
                    where = self._name(self.expected, i)
                    lines[i] = f"{name} of {where}: off by {gap:.2g}, at most {allowed:.2g} is right"
        return lines

    @staticmethod
    def _name(result: Detections, index: int) -> str:
        box = ", ".join(f"{value:.1f}" for value in result.dets[index, :4])
        return f"label {int(result.labels[index])} at ({box}) score {result.dets[index, 4]:.4f}"

    def _lines(self, rest: np.ndarray, extra: np.ndarray, near: Dict[int, int]) -> List[str]:
        lines = []
        for i in rest:
            line = f"only PyTorch has {self._name(self.expected, i)}"
            if int(i) in near:
                pair = int(i), near[int(i)]
                line = (
                    f"{self._name(self.expected, i)}: off by {self.box_gap[pair]:.3g} px, "
                    f"score by {self.score_gap[pair]:.2g}"
                )
            lines.append(line)
        taken = set(near.values())
        return lines + [f"only the runtime has {self._name(self.actual, j)}" for j in extra if int(j) not in taken]


def box_iou(one: np.ndarray, two: np.ndarray) -> float:
    """Intersection over union of two boxes ``(x1, y1, x2, y2, ...)``; 0.0 where both are empty."""
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = (one[2] - one[0]) * (one[3] - one[1]) + (two[2] - two[0]) * (two[3] - two[1]) - shared
    return float(shared / union) if union > 0 else 0.0
