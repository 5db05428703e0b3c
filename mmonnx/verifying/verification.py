"""PyTorch's own inference against the exported file, case by case."""

import contextlib
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence

import numpy as np
import onnx
import torch

from ..environment import (
    layers_round_otherwise,
    ordinary,
    resizing_rounds_otherwise,
    rounding_noise,
    ties_at_random,
)
from ..loading import Task, to_numpy
from ..runtime import Result
from ..support import alone, type_and_line
from .cases import DARK, make_cases, pictures_of
from .clock import now
from .exploring import Explorer
from .goals import Goal, Goals
from .inside import Inside
from .matching import Match, Noise, Tolerances, match, noise_of
from .outcome import Case, CaseResult, summed

__all__ = [
    "BUDGET",
    "NOTHING_COMPARED",
    "Case",
    "CaseResult",
    "Goal",
    "Run",
    "Verification",
    "compare",
    "difference",
    "make_cases",
    "verify",
    "verify_model",
]

_FURTHER = [
    (size, everywhere)
    for most in (1, 2, 4, 8, 16, 32, 32)
    for size, everywhere in ((most, True), (most, False), (1, True), (2, True))
]
"""Further runs of PyTorch where it and the file differ: the noise in roundings, and whether it is of each layer and of
ties as well as of the input. The greatest are larger than what a runtime is off by, since which of two boxes stays may
depend on an overlap that moves more. The least come again and again: of a network that makes much of a rounding, more
noise shows other choices than the file's, and a choice between two falls on either side."""
BUDGET = 1.4
"""The time that a verification may take, as a multiple of what comparing the answers on its cases takes. The last run
begins within it and ends after it: of Faster R-CNN all of them take 1.5."""
NOTHING_COMPARED = "no case has any answer to compare"
"""Why a file is not written on which nothing could be seen."""
_LEAST = 4.0
"""Seconds that are always there for what is inside."""
_GROSS = 4
"""A mismatch is a gross one where so many times as much is wrong as PyTorch's own further runs differ by."""
_MUCH = 0.1
"""The share of the answers from which on two further runs tell that; of less, ``_RUNS`` do: each tie among scores that
all are near 1, say, falls on the other side in some of them, and takes several boxes with it."""
_RUNS = 8

Run = Callable[[Dict[str, np.ndarray]], Dict[str, np.ndarray]]


@dataclass(frozen=True)
class Verification:
    """How a file compares with PyTorch.

    Attributes:
        results: of each case.
        goals: what the cases had to reach, and whether they did.
    """

    results: List[CaseResult]
    goals: List[Goal] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every case held, and one of them at least had answers to compare."""
        return all(result.ok for result in self.results) and self.compared

    @property
    def compared(self) -> bool:
        """Whether any of the model's answers were compared: what is inside says nothing of how they are made of it."""
        return any(result.total for result in self.results if not result.inside)


def verify_model(
    task: Task,
    model: onnx.ModelProto,
    cases: Sequence[Case],
    load: Callable[[onnx.ModelProto], Run],
    budget: float = BUDGET,
    progress: Optional[Callable[[Sequence[Case]], Iterable[Case]]] = None,
    show: Optional[Callable[[Case, Sequence[Result], Sequence[Result]], Any]] = None,
    spare: bool = False,
    traced: Sequence[str] = (),
) -> Verification:
    """Compare PyTorch's own inference with a file's: the answers, what is inside, and the answers to driven values.

    Args:
        task: the model.
        model: the file's.
        cases: what to compare the answers on.
        load: makes of a model what runs it.
        budget: the time that all of it may take, as a multiple of what the answers take.
        progress, show: see ``verify``.
        spare: see ``Inside``.
        traced: the names of the tensors inside that the trace gave, those included that no answer hangs on and that
            the file has lost; only so is it known which of several calls of a layer a tensor is of.
    """
    inside = Inside(task, model, load, spare, traced)
    pictures = [case for case in cases if case.images]
    goals = Goals(task, inside.probes if pictures else [])  # a model without pictures is not driven

    def seen(case: Case, expected: Sequence[Result], actual: Sequence[Result]) -> None:
        goals.see(expected)
        if show:
            show(case, expected, actual)

    started = now()
    results = verify(task, load(model), cases, progress, seen)
    spent = now() - started
    if not (inside.probes and pictures and all(result.ok for result in results)):
        return Verification(results, goals.all)
    until = started + max(budget * spent, spent + _LEAST)
    with alone(), ordinary(task.module):
        more = _inside(task, inside, goals, pictures, until)
    return Verification(results + more, goals.all)


def _inside(task: Task, inside: Inside, goals: Goals, cases: Sequence[Case], until: float) -> List[CaseResult]:
    """The results of what is inside a file."""
    lit = [case for case in cases if not case.name.startswith(DARK)]
    seen = inside.on_picture(lit[min(1, len(lit) - 1)])
    if seen is not None and not seen.ok:
        seen = inside.on_picture(lit[0])  # a fault shows on any picture, a choice that depends on roundings does not
    results = [] if seen is None else [seen]
    if all(result.ok for result in results):
        batch = len(cases[0].images)
        pictures = pictures_of([image for case in cases for image in case.images], 2)
        results += Explorer(task, inside, goals, pictures, task.shape, batch, until).results()
    return results


def verify(
    task: Task,
    run: Run,
    cases: Sequence[Case],
    progress: Optional[Callable[[Sequence[Case]], Iterable[Case]]] = None,
    show: Optional[Callable[[Case, Sequence[Result], Sequence[Result]], Any]] = None,
    tolerances: Optional[Tolerances] = None,
    further: int = len(_FURTHER),
) -> List[CaseResult]:
    """Compare PyTorch's own inference with a runtime's on every case.

    An error of either is a failed case, with the error's first line, so that the other cases still tell something.

    Args:
        task: the model.
        run: the runtime: inputs by name to outputs by name.
        cases: what to compare on.
        progress: wraps the cases in a progress bar.
        show: called with the case, PyTorch's results and the runtime's, for every case in which both gave some.
        tolerances: what may differ.
        further: the most further runs of PyTorch's by which a difference is explained, 1 at least.
    """
    taken = progress(cases) if progress else cases
    with ordinary(task.module):
        return [_verify(task, run, case, show, tolerances, further) for case in taken]


def _verify(
    task: Task,
    run: Run,
    case: Case,
    show: Optional[Callable[..., Any]],
    tolerances: Optional[Tolerances],
    further: int,
) -> CaseResult:
    where = "PyTorch"
    try:
        started = time.perf_counter()
        with torch.no_grad():
            expected = task.predict(case.feeds)
        between = time.perf_counter()
        where = "the runtime"
        actual = task.read(run(to_numpy(case.feeds)))
        seconds = between - started, time.perf_counter() - between
        if len(expected) != len(actual):
            raise ValueError(f"{len(actual)} results for {len(expected)} images")
        where = "the comparison"
        matches = [compare(task, *pair, tolerances) for pair in zip(expected, actual)]
        if not all(found.ok for found in matches):
            drawn = _drawn(task, case, expected, tolerances)
            if drawn:
                return drawn
            matches = _asked_again(task, case, expected, actual, tolerances, further)
    except Exception as error:
        problem = f"{where} failed: {type_and_line(error)}"
        return CaseResult(case.name, case.shape, len(case.images), problems=[problem])
    if show:
        show(case, expected, actual)
    return summed(case.name, case.shape, matches, seconds)


def _drawn(
    task: Task, case: Case, expected: Sequence[Result], tolerances: Optional[Tolerances]
) -> Optional[CaseResult]:
    """The result where no file can be told from a wrong one, as much of what PyTorch answers is another on each run.

    Little of it may be, where a model shakes what may tie: PyTorch's further runs tell how much.
    """
    with torch.no_grad():
        again = task.predict(case.feeds)
    for one, other in zip(expected, again):
        found = compare(task, one, other, tolerances)
        if not found.ok and found.total - found.matched > _MUCH * found.total:
            detail = found.unmatched[0] if found.unmatched else f"{found.total - found.matched} of {found.total}"
            problem = f"PyTorch itself gives another answer to the same input on each run ({detail})"
            return CaseResult(case.name, case.shape, len(case.images), total=found.total, problems=[problem])
    return None


def compare(
    task: Task,
    expected: Result,
    actual: Result,
    tolerances: Optional[Tolerances] = None,
    noise: Optional[Noise] = None,
) -> Match:
    """Match the results of one image, with what the task says about its score threshold and its longest list."""
    return match(
        expected,
        actual,
        score_thr=task.score_thr,
        limit=task.max_per_img,
        tolerances=tolerances,
        noise=noise,
        kinds=task.kinds,
    )


def difference(task: Task, expected: Dict[str, np.ndarray], actual: Dict[str, np.ndarray]) -> Optional[str]:
    """In what one file's outputs by name differ from another's, in a line; None if they are the same answers."""
    results = [task.read({name: outputs[name] for name in task.output_names}) for outputs in (expected, actual)]
    if len(results[0]) != len(results[1]):
        return f"it gives {len(results[1])} images of {len(results[0])}"
    found = [compare(task, *pair) for pair in zip(*results)]
    return next((match.unmatched[0] for match in found if not match.ok), None)


def _asked_again(
    task: Task,
    case: Case,
    expected: Sequence[Result],
    actual: Sequence[Result],
    tolerances: Optional[Tolerances],
    further: int,
) -> List[Match]:
    """How the two compare where what PyTorch itself gives depends on its roundings.

    Some networks without training make of a rounding error a thousand times as great a difference in the scores, and
    where scores are equal, or an overlap is at its threshold, what survives is an accident in PyTorch itself.

    A gross mismatch stops it: where far more differs than PyTorch's own further runs do, more of them help nobody.
    """
    noises = [noise_of(one, task.kinds) for one in expected]
    own = 0
    for number, noise_of_run in enumerate(_FURTHER[:further]):
        again = _rounding_otherwise(task, case, number, *noise_of_run)
        for noise, one in zip(noises, again):
            noise.add(one)
        matches = [compare(task, *pair, tolerances, noise) for pair, noise in zip(zip(expected, actual), noises)]
        if all(found.ok for found in matches):
            break
        own = max(own, sum(len(compare(task, *pair, tolerances).missing) for pair in zip(expected, again)))
        wrong, total = (sum(found.total - found.matched for found in matches), sum(found.total for found in matches))
        runs = 2 if wrong > _MUCH * total else _RUNS
        if number + 1 >= runs and wrong > _GROSS * (own + 1):
            break
    return matches


def _rounding_otherwise(task: Task, case: Case, seed: int, roundings: float, everywhere: bool) -> Sequence[Result]:
    """PyTorch's answers when it rounds otherwise: noise on the input, or on all layers and among ties as well."""
    generator = torch.Generator().manual_seed(seed)
    feeds = {
        # zeros are not rounded: on which side of 0 a sum is may be a branch of the model's code
        name: tensor + rounding_noise(tensor, generator) * roundings
        if tensor.is_floating_point() and tensor.any()
        else tensor
        for name, tensor in case.feeds.items()
    }
    with torch.no_grad(), contextlib.ExitStack() as stack:
        if everywhere:
            stack.enter_context(layers_round_otherwise(task.module, generator, roundings))
            stack.enter_context(resizing_rounds_otherwise(generator, roundings))
            stack.enter_context(ties_at_random(generator, roundings))
        return task.predict(feeds)
