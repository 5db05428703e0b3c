"""Running the files in turn, and comparing what they find with PyTorch."""

import hashlib
import time
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Dict, List, Optional, Sequence, Tuple, Union

import cv2
import numpy as np
import torch

from mmonnx.loading.task import Task
from mmonnx.runtime.engines import EngineSession
from mmonnx.runtime.results import Detections, Result
from mmonnx.runtime.session import Session
from mmonnx.support.errors import type_and_line
from mmonnx.verifying.verification import Case, verify

from .profiling import profile
from .reading import reader
from .variants import Variant, base

WARM_UP = 2
"""Rounds that are run and not counted, for each shape."""
_FURTHER = 6
"""PyTorch's further runs for a difference: of large pictures each takes seconds, and peers differ on most of them."""
_PAUSE = 0.1
"""Seconds before each run: the threads of a session of ONNX Runtime go on asking for work for a while, at the cost of
what runs next, and those of other runtimes do not. YOLOv3 after such a session took 1.2 of its time."""
_SHORT_MS = 100.0
"""A run that takes less is timed right behind another one: after a pause, threads that wake up are half of it."""
_PROFILED = 4
"""Runs with the profiler: one for each of the photographs."""
Shape = Tuple[int, int]
AnySession = Union[Session, EngineSession]


@dataclass
class Row:
    """How one variant did at one shape.

    Attributes:
        variant: its name.
        error: why it was not measured, in one line; the rest is empty then.
        times_ms: of each counted round.
        ratio: the median over the rounds of its time by that of ``variants.base`` in the same round; None without it.
        proposals: per profiled run, the rows that enter the box head (None where no head was found).
        detections: per picture; empty of models that find none.
        matched, total: detections, pixels, key points or texts that match PyTorch's, summed over the pictures; see
            ``mmonnx.verifying.Match``.
        ok: whether every picture has PyTorch's own answer.
        problems: what differs, a few lines per picture.
        overhead, roi_ms, kernel_ms: see ``profiling.Profile``.
    """

    variant: str
    error: str = ""
    times_ms: List[float] = field(default_factory=list)
    ratio: Optional[float] = None
    proposals: List[Optional[int]] = field(default_factory=list)
    detections: List[int] = field(default_factory=list)
    matched: int = 0
    total: int = 0
    ok: bool = False
    problems: List[str] = field(default_factory=list)
    overhead: Optional[float] = None
    roi_ms: Optional[float] = None
    kernel_ms: Dict[str, float] = field(default_factory=dict)

    @property
    def ms(self) -> Optional[float]:
        """The median time, None if it was not measured."""
        return median(self.times_ms) if self.times_ms else None


def measure(
    task: Task,
    variants: Sequence[Variant],
    pictures: Sequence[np.ndarray],
    shape: Shape,
    rounds: int,
    threads: Optional[int] = None,
    profiled: bool = True,
) -> List[Row]:
    """Measure every variant that was built at one shape.

    Args:
        task: the model, for PyTorch's answers.
        variants: in the order in which they are run; what was not built has a row with the reason.
        pictures: BGR uint8 (H, W, 3).
        shape: (height, width).
        rounds: counted rounds; in each, every variant runs once, on the same picture, and the next takes the next one.
        threads: within an operator, None for ONNX Runtime's own choice.
        profiled: whether the time of each kernel is told as well.
    """
    rows = {variant.name: Row(variant.name, variant.error) for variant in variants}
    cases = _cases(task, pictures, shape)
    arrays = [case.feeds["input"].numpy() for case in cases]
    sessions: Dict[str, AnySession] = {}
    for variant in (variant for variant in variants if variant.path):
        try:
            sessions[variant.name] = _open(variant, threads)
            for array in (arrays * WARM_UP)[:WARM_UP]:
                _run(sessions[variant.name], array)
        except Exception as error:  # ONNX Runtime has errors of its own
            sessions.pop(variant.name, None)
            rows[variant.name].error = type_and_line(error)[:200]
    for name, times in _run_in_turn(sessions, arrays, rounds).items():
        rows[name].times_ms = times
    _set_ratios(rows)
    reference = _reference(task, shape)
    for name, session in sessions.items():
        _compare(reference, cases, session, rows[name])
    sessions.clear()  # their memory is needed no more
    for variant in (one for one in variants if profiled and _in_onnxruntime(one) and not rows[one.name].error):
        _profile(variant, arrays, threads, rows[variant.name])
    return list(rows.values())


def _cases(task: Task, pictures: Sequence[np.ndarray], shape: Shape) -> List[Case]:
    """Each picture at a shape."""
    cases = []
    for number, picture in enumerate(pictures, 1):
        resized = cv2.resize(picture, shape[::-1], interpolation=cv2.INTER_LINEAR)
        cases.append(Case(f"picture {number}", task.preprocess([picture], shape), [resized]))
    return cases


def _in_onnxruntime(variant: Variant) -> bool:
    return bool(variant.path) and not variant.engine


def _open(variant: Variant, threads: Optional[int]) -> AnySession:
    assert variant.path
    if variant.engine:
        return EngineSession(variant.path, variant.engine)
    return Session(variant.path, num_threads=threads, custom_op_library=variant.library)


def _run(session: AnySession, array: np.ndarray) -> Dict[str, np.ndarray]:
    return session.run({session.input_names[0]: array})


def _run_in_turn(sessions: Dict[str, AnySession], arrays: Sequence[np.ndarray], rounds: int) -> Dict[str, List[float]]:
    """Milliseconds of every round: A B C A B C, so that what slows the machine for a while slows all of them."""
    times: Dict[str, List[float]] = {name: [] for name in sessions}
    for number in range(rounds):
        array = arrays[number % len(arrays)]
        for name, session in sessions.items():
            time.sleep(_PAUSE)
            if times[name] and times[name][-1] < _SHORT_MS:
                _run(session, array)
            started = time.perf_counter()
            _run(session, array)
            times[name].append((time.perf_counter() - started) * 1000)
    return times


def ratio_of(times: Sequence[float], reference: Sequence[float]) -> float:
    """The median over the rounds of one file's time by another's in the same round."""
    return median(own / theirs for own, theirs in zip(times, reference))


def _set_ratios(rows: Dict[str, Row]) -> None:
    measured = [name for name, row in rows.items() if row.times_ms]
    reference = rows[base(measured)].times_ms if base(measured) in measured else []
    for row in rows.values():
        if reference and row.times_ms:
            row.ratio = ratio_of(row.times_ms, reference)


def _compare(task: Task, cases: Sequence[Case], session: AnySession, row: Row) -> None:
    """Fill in what a file finds, and how much of it is PyTorch's, by the rule that gives an export's verdict."""

    def count(case: Case, expected: Sequence[Result], actual: Sequence[Result]) -> None:
        row.detections += [len(found.dets) for found in actual[:1] if isinstance(found, Detections)]

    def run(feeds: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
        return _run(session, feeds["input"])

    try:
        # a file that gives the head's own masks, or none, is compared by its boxes
        first = task.read(run({"input": cases[0].feeds["input"].numpy()}))[0]
        if isinstance(first, Detections) and first.masks is None:
            task = _without_masks(task)
    except Exception as error:
        row.error = type_and_line(error)[:200]
        return
    results = verify(task, run, cases, show=count, further=_FURTHER)
    row.matched = sum(result.matched for result in results)
    row.total = sum(result.total for result in results)
    row.ok = all(result.ok for result in results)
    row.problems = [f"{result.name}: {line}" for result in results for line in result.problems]
    row.error = next((result.problems[0] for result in results if result.verdict == "failed"), "")[:200]


def _reference(task: Task, shape: Shape) -> Task:
    """The task with outputs read as every exporter gives them, and with each of PyTorch's answers computed once."""
    known: Dict[bytes, Sequence[Result]] = {}

    def predict(feeds: Dict[str, torch.Tensor]) -> Sequence[Result]:
        key = hashlib.sha256(feeds["input"].numpy().tobytes()).digest()
        if key not in known:
            known[key] = task.predict(feeds)
        return known[key]

    return replace(task, predict=predict, read=reader(task, shape))


def _without_masks(task: Task) -> Task:
    def predict(feeds: Dict[str, torch.Tensor]) -> List[Detections]:
        results = task.predict(feeds)
        return [replace(result, masks=None) for result in results if isinstance(result, Detections)]

    return replace(task, predict=predict)


def _profile(variant: Variant, arrays: Sequence[np.ndarray], threads: Optional[int], row: Row) -> None:
    try:
        found = profile(variant, [arrays[number % len(arrays)] for number in range(_PROFILED)], threads)
    except Exception as error:
        row.error = type_and_line(error)[:200]
        return
    row.overhead, row.roi_ms, row.kernel_ms, row.proposals = (
        found.overhead,
        found.roi_ms,
        found.kernel_ms,
        found.proposals,
    )
