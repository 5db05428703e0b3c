"""Which further runs are made: one after the other, until every goal is reached or the time is over."""

from dataclasses import replace
from functools import cached_property
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ..loading import Task, takes
from .cases import Shape, other_shape, padded_case, picture_case
from .clock import now
from .driving import Draw, Driven, Lever
from .goals import Goals
from .inside import Inside
from .outcome import Case, CaseResult, joined
from .searching import bounds_of, to_the_bounds

_GAINS = (2.0, 4.0)
"""Deviations of drawn values, as multiples of the model's own: at the greater ones boxes are clipped."""
_AMOUNTS = (-16.0, -6.0, -2.0, 0.0, 2.0, 4.0, 6.0, 8.0, 12.0, 40.0)
"""How far the levers of scores are pulled."""
_HALVINGS = 4
"""How often an amount is looked for between one of too many detections and one of none."""
_REAL = 1e-3
"""A best score below which all that is found is nothing: two sigmoids differ there by more than they are."""
_SHARE = 0.7
"""The share of the time that is left which goes to what is behind all ends, where regions are pooled as well."""
_FAINT = 1e-2
"""The contrast of a faint picture, as a share of a photograph's."""
_BETTER = 3.0
"""By how much the scores of one level are better than the others' where regions are chosen."""
_SMALLER = (2.0, 0.5, 1.0)
"""The least deviations of what makes regions of anchors there: some are several times as small as these."""
_ANCHORS = 512
"""The least of the longest sides, in pixels, of a picture on which regions are chosen."""
_LARGEST = 1344
"""The longest side, in pixels, of inputs that are made larger to reach the last levels of a pyramid."""


def _faint(case: Case) -> Case:
    feeds = {name: value * _FAINT if value.dim() == 4 else value for name, value in case.feeds.items()}
    return replace(case, feeds=feeds)


class _Amounts(NamedTuple):
    """How far levers are to be pulled, and how far so that hardly anything is found."""

    amounts: List[float]
    silent: float


def _is_between(seen: Tuple[Optional[int], float], limit: Optional[int]) -> bool:
    """Whether detections are found, really, and not as many as fill a list."""
    count, best = seen
    return count is not None and count > 0 and best > _REAL and (limit is None or count < limit)


def _gained(gain: float) -> Draw:
    return Draw(-1, gain)


class Explorer:
    """The further runs of one file.

    Args:
        task: the model.
        inside: its file's inside.
        goals: what is to be reached, and has been.
        pictures: what the model's own values come from, two at least, BGR uint8 (H, W, 3).
        shape: (height, width) of the export, in pixels.
        batch: the batch of the export.
        until: when no further run is begun, by ``clock.now``.
    """

    def __init__(
        self,
        task: Task,
        inside: Inside,
        goals: Goals,
        pictures: Sequence[np.ndarray],
        shape: Shape,
        batch: int,
        until: float,
    ) -> None:
        self._task, self._inside, self._goals, self._until = task, inside, goals, until
        self._pictures, self._shape = pictures, shape
        self._batch = 2 if task.dynamic_batch else batch
        self._fullest: Tuple[int, Draw] = (0, Draw(0))

    def results(self) -> List[CaseResult]:
        """A result for each kind of run that was made."""
        found = []
        kinds = (
            *(self._faint, self._bounds, self._whole_kernels),
            *(self._thresholds, self._given_regions, self._chosen_regions, self._regions),
        )
        for kind in kinds:
            runs = list(kind())
            if runs:
                name = runs[0].name if len(runs) == 1 else f"{runs[0].name}, {len(runs)} draws"
                found.append(joined(name, runs))
            if not all(run.ok for run in runs):
                break
        return found

    def _faint(self) -> Iterator[CaseResult]:
        """What is inside where hardly anything is seen: what is added to a variance, to divide by it, counts there."""
        yield from self._on_either("faint", self._smallest, _faint)

    def _bounds(self) -> Iterator[CaseResult]:
        """What is inside where activations come to their bounds."""
        bounds = bounds_of(self._task.module)
        if bounds:
            reached: List[int] = [0]

            def changed(case: Case) -> Case:
                found = to_the_bounds(self._task, case)
                reached.append(found[1] if found else 0)
                return found[0] if found else case

            yield from self._on_either("searched", self._smallest, changed)
            self._goals.bounds = max(reached), len(bounds)

    def _whole_kernels(self) -> Iterator[CaseResult]:
        """What is inside on a picture so large that all of each kernel meets something."""
        times = self._inside.kernels.times
        if self._task.dynamic_size and times > 1 and now() < self._until:
            height, width = other_shape(self._task, self._shape)
            times = min(times, _LARGEST // max(height, width))
            if times > 1 and self._takes((height * times, width * times)):
                yield from self._on_either("photograph", (height * times, width * times))
        self._goals.kernels = self._inside.kernels.count

    def _on_either(
        self, kind: str, size: Shape, change: Callable[[Case], Case] = lambda case: case
    ) -> Iterator[CaseResult]:
        """What is inside on one of two pictures: a fault shows on both, a choice that depends on roundings does not."""
        number = 1 if self._task.dynamic_batch else self._batch
        found = None
        for start in (0, 1):
            chosen = [self._pictures[(start + index) % len(self._pictures)] for index in range(number)]
            found = self._inside.on_picture(change(picture_case(self._task, kind, chosen, size)))
            if found is None or found.ok:
                break
        if found is not None:
            yield found

    def _thresholds(self) -> Iterator[CaseResult]:
        """All ends driven: what is behind them, with all of its thresholds and limits."""
        # where regions are pooled, something of the time is theirs
        started = now()
        until = started + (self._until - started) * (_SHARE if self._goals.all_levels else 1.0)
        # a small input may have too few places for a limit
        for size in dict.fromkeys([self._smallest, self._shape]):
            case = self._case("driven", size)
            found = self._inside.driven(case, Draw(0))
            if found is None:
                continue
            yield self._taken(case, *found)
            levers = self._inside.levers(case, found[1]) if found[0].ok and not self._is_over(until) else ()
            if levers:
                found = self._inside.driven(case, Draw(1, levers=levers)) or found
                yield self._taken(case, *found)
            draws = (draw for kind in (self._pulled(case, found[1], levers), map(_gained, _GAINS)) for draw in kind)
            for seed, draw in enumerate(draws, 2):
                if self._is_over(until):
                    return
                result = self._run(case, replace(draw, seed=seed if draw.seed < 0 else draw.seed))
                if result is not None:
                    yield result
                    if not result.ok:
                        return

    def _pulled(self, case: Case, driven: Driven, levers: Tuple[Lever, ...]) -> Iterator[Draw]:
        """Draws of few detections, of a full list, of none, and of each level of a pyramid by itself."""
        if not levers:
            return
        few = self._few(case, driven, levers)
        # the values of the seed that was tried, moved
        yield from (Draw(1, levers=levers, amount=amount) for amount in few.amounts)
        modules = {lever.module for lever in levers}
        for call in sorted({probe.call for probe in self._inside.probes if probe.module in modules}):
            if any(name.endswith(f"_{call}") for name in self._goals.unreached_ends):
                yield Draw(-1, levers=levers, amount=few.silent, spared=call)

    def _few(self, case: Case, driven: Driven, levers: Tuple[Lever, ...]) -> "_Amounts":
        """How far the levers are to be pulled, as far as the file tells."""
        limit = self._task.max_per_img
        seen = {amount: self._seen(case, driven, levers, amount) for amount in _AMOUNTS}
        for _ in range(_HALVINGS):
            if any(_is_between(one, limit) for one in seen.values()):
                break
            high = min((amount for amount, (count, _) in seen.items() if not count), default=None)
            low = max((amount for amount in seen if high is None or amount < high), default=None)
            if high is None or low is None:
                break
            seen[(low + high) / 2] = self._seen(case, driven, levers, (low + high) / 2)
        ordered = sorted(seen)
        empty = [amount for amount in ordered if not seen[amount][0]]
        full = [amount for amount in ordered if limit and (seen[amount][0] or 0) >= limit and seen[amount][1] > _REAL]
        between = [amount for amount in ordered if _is_between(seen[amount], limit)]
        amounts = [*between[:1], *empty[:1], *full[-1:], *between[len(between) // 2 :][:1], *between[-1:]]
        return _Amounts(list(dict.fromkeys(amounts)), max([*empty[:1], *between, *full], default=0.0))

    def _seen(self, case: Case, driven: Driven, levers: Sequence[Lever], amount: float) -> Tuple[Optional[int], float]:
        """What the file gives to values moved by so much: the most detections, and the lowest of the best scores.

        None and 0.0 if it fails on them: that is for PyTorch to judge.
        """
        answers = self._inside.answers(case, driven, levers, amount)
        if answers is None:
            return None, 0.0
        best = [float(found.scores.max(initial=0.0)) for found in answers]
        return max((len(found.dets) for found in answers), default=0), min(best, default=0.0)

    def _given_regions(self) -> Iterator[CaseResult]:
        """What the layers that pool regions make of regions that are given to them."""
        if self._inside.poolings:
            # in the run of the most detections those behind the detections are reached as well
            case, draw = self._case("regions given", self._smallest), self._fullest[1]
            found = self._inside.on_regions(case, draw)
            if found is not None:
                yield found
            self._goals.poolings = found.total if found else 0, len(self._inside.poolings)

    def _chosen_regions(self) -> Iterator[CaseResult]:
        """Which regions are chosen to be pooled."""
        if not self._inside.poolings:
            return
        size = self._smallest
        # the greatest anchors are larger than most pictures, and are clipped to all of a small one
        while self._task.dynamic_size and max(size) < _ANCHORS:
            size = 2 * size[0], 2 * size[1]
        size = size if self._takes(size) else self._shape
        case = self._case("regions chosen", size, 1 if self._task.dynamic_batch else self._batch)
        # of the coarsest level there are few among all: each level in turn has the best scores
        calls = sorted({probe.call for probe in self._inside.probes}, reverse=True)
        draws = [
            Draw(300 + 10 * seed + call, whole=False, least=least, amount=-_BETTER, moved=call)
            for seed, least in enumerate(_SMALLER)
            for call in calls
        ]
        wrong: List[CaseResult] = []
        for number, draw in enumerate(draws):
            if number >= len(calls) and now() > self._until:
                break
            found = self._inside.on_choice(case, draw)
            if found is not None and found.ok:
                yield found
            wrong += [found] if found and not found.ok else []
            if len(wrong) > 1:  # a fault shows in another draw as well, an overlap near its threshold does not
                yield from wrong
                return

    def _regions(self) -> Iterator[CaseResult]:
        """What comes before the pooling of regions driven: regions of every size, whose features are real."""
        if self._goals.all_levels:
            yield from self._drawn_regions(0, self._smallest)
        # of the greatest boxes of a pyramid all is outside of a small picture
        size, seed = self._shape, 1
        while self._goals.lacks_levels and max(size) < _LARGEST and now() < self._until:
            if size == self._shape or self._takes(size):
                yield from self._drawn_regions(seed, size)
            if not self._task.dynamic_size:
                return
            size, seed = (2 * size[0], 2 * size[1]), seed + 1

    def _drawn_regions(self, seed: int, size: Shape) -> Iterator[CaseResult]:
        result = self._run(self._case("regions driven", size), Draw(200 + seed, _GAINS[0], whole=False))
        if result is not None:
            yield result

    def _is_over(self, until: float) -> bool:
        return now() > until or all(goal.reached for goal in self._goals.all if goal.driven)

    def _taken(self, case: Case, result: CaseResult, driven: Driven) -> CaseResult:
        """A result, what it shows having been noted."""
        if result.ok:
            self._goals.see_driven(driven)
            if driven.draw is not None:
                self._fullest = max(self._fullest, (result.total, driven.draw), key=lambda one: one[0])
            if not driven.free and self._goals.unreached_ends:
                self._goals.reach(self._inside.hanging_on(case, driven, self._goals.unreached_ends))
        return result

    def _run(self, case: Case, draw: Draw) -> Optional[CaseResult]:
        found = self._inside.driven(case, draw)
        return None if found is None else self._taken(case, *found)

    def _case(self, kind: str, size: Shape, batch: Optional[int] = None) -> Case:
        chosen = self._pictures[: batch or self._batch]
        if self._task.preprocess_padded is None:
            return picture_case(self._task, kind, chosen, size)
        # boxes are clipped to the picture
        return padded_case(self._task, kind, chosen, size)

    @cached_property
    def _smallest(self) -> Shape:
        """The smallest size on which the model is driven: what is behind its ends matters there, not its picture."""
        other = other_shape(self._task, self._shape)
        step = self._task.divisor
        height, width = (max(2 * step, round(side / 2 / step) * step) for side in other)
        half = (height, width)
        return half if self._task.dynamic_size and half < other and self._takes(half) else other

    def _takes(self, size: Shape) -> bool:
        assert self._task.preprocess is not None  # models of images alone are driven
        return takes(self._task, self._task.preprocess(self._pictures[:1], size))
