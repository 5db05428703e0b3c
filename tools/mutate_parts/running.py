"""Planting faults into a model one after the other, in a process that may die of one."""

import multiprocessing
import os
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import torch

from mmonnx.support.errors import type_and_line

from .faults import Fault, choose, places
from .judging import Judge, is_killed, runs, verified
from .pictures import further
from .subjects import SUBJECTS, Prepared, prepare, traced

STILLBORN, KILLED, EQUIVALENT, SURVIVED = "stillborn", "killed", "equivalent", "survived"
_LOADING = 600.0
"""Seconds until a model has to be ready."""


@dataclass(frozen=True)
class Plan:
    """What is to be done with each model.

    Attributes:
        count: how many faults at most.
        seed: chooses them and the pictures.
        kinds: the kinds; all if None.
        pictures: how many decide whether a fault that passed is one.
        seconds: that one fault may take.
    """

    count: int = 120
    seed: int = 0
    kinds: Optional[Sequence[str]] = None
    pictures: int = 72
    seconds: float = 300.0


class Outcome(NamedTuple):
    """What became of a fault.

    Attributes:
        model, kind, where: the fault.
        end: ``stillborn`` (no file that runs, or no such model), ``killed``, ``equivalent`` or ``survived``.
        note: on how many pictures it shows, or why there is no file.
        seconds: in all.
    """

    model: str
    kind: str
    where: str
    end: str
    note: str = ""
    seconds: float = 0.0


Tell = Callable[[Outcome], None]


class ModelReport(NamedTuple):
    """What became of all faults of a model; ``alarm`` is what the verification says of the true file, if it refuses it,
    or why there is none."""

    model: str
    outcomes: List[Outcome]
    alarm: Optional[str]
    seconds: float


def survey(names: Sequence[str], plan: Plan, tell: Tell, jobs: int = 1) -> Iterator[ModelReport]:
    """Plant faults into each model, in their order; so many models at a time. Each outcome is told when it is there."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda name: survey_one(name, plan, tell), names)


class Ended(NamedTuple):
    """How a process ended: with an alarm, or in a fault, by its number and what became of it; or well."""

    alarm: Optional[str] = None
    number: Optional[int] = None
    outcome: Optional[Outcome] = None


def survey_one(name: str, plan: Plan, tell: Tell) -> ModelReport:
    """Plant faults into one model. A process that dies of a fault is followed by another one, for the rest.

    The fault is planted once more before that: the process may have died for want of memory that others took.
    """
    started, outcomes = time.monotonic(), []

    def add(outcome: Outcome) -> None:
        outcomes.append(outcome)
        tell(outcome)

    begin, died = 0, -1
    while True:
        ended = _in_process(name, plan, begin, add)
        if ended.outcome is None:
            return ModelReport(name, outcomes, ended.alarm, time.monotonic() - started)
        if ended.number == died:
            add(ended.outcome)
        begin = ended.number + (ended.number == died)
        died = ended.number


def _in_process(name: str, plan: Plan, begin: int, add: Tell) -> Ended:
    """Run faults from a number on in a process of their own."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    child = spawn.Process(target=_serve, args=(theirs, name, plan, begin), daemon=True)
    child.start()
    theirs.close()
    current, limit = None, _LOADING
    try:
        while ours.poll(limit):
            what, *rest = ours.recv()
            if what == "alarm":
                return Ended(rest[0])
            if what == "done":
                return Ended()
            if what == "begins":
                current, limit = rest, plan.seconds
            else:
                add(rest[0])
                current = None
        end = "did not end in time"
    except EOFError:
        end = "ended the process"
    finally:
        child.kill()
        child.join()
        ours.close()
    if current is None:
        return Ended(f"the model {end}")
    number, kind, where, is_judged = current
    # whoever exports such a file does not get one; what only shows on other pictures passed
    ending = SURVIVED if is_judged else KILLED
    return Ended(None, number, Outcome(name, kind, where, ending, end, plan.seconds))


def _serve(pipe: Connection, name: str, plan: Plan, begin: int) -> None:
    """The process: sends ``begins`` and ``outcome`` of each fault, then ``done``; or ``alarm``."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    try:
        prepared = prepare(SUBJECTS[name])
        bad = [] if begin else [one for one in verified(prepared.task, prepared.cases, prepared.model) if not one.ok]
        if bad:
            pipe.send(("alarm", f"{bad[0].name}: {'; '.join(bad[0].problems)}"))
            return
        faults = choose(places(prepared, plan.kinds), plan.count, plan.seed)
        run = Run(prepared, plan)
        for number in range(begin, len(faults)):
            fault = faults[number]
            pipe.send(("begins", number, fault.kind, fault.where, False))
            outcome = run.one(fault, lambda one=fault, place=number: pipe.send(("begins", place, *one[:2], True)))
            pipe.send(("outcome", outcome))
        pipe.send(("done",))
    except BaseException as error:  # of this tool, or of the model
        traceback.print_exc()
        pipe.send(("alarm", type_and_line(error)))
    finally:
        pipe.close()
        os._exit(0)


class Run:
    """The faults of one model."""

    def __init__(self, prepared: Prepared, plan: Plan) -> None:
        self.prepared, self.plan = prepared, plan
        self._judge: Optional[Judge] = None
        self._traced: Optional[bytes] = None

    def one(self, fault: Fault, judged: Callable[[], Any] = lambda: None) -> Outcome:
        """Plant a fault, verify, and judge what passed; ``judged`` is called before it is judged."""
        started = time.monotonic()
        end, note = self._end(fault, judged)
        return Outcome(self.prepared.subject.name, fault.kind, fault.where, end, note, time.monotonic() - started)

    def _end(self, fault: Fault, judged: Callable[[], Any]) -> Tuple[str, str]:
        try:
            model = fault.make()
        except Exception as error:
            return STILLBORN, type_and_line(error)
        data = model.SerializeToString()
        if data in (self.prepared.model.SerializeToString(), self._unsimplified()):
            return EQUIVALENT, "the same file"
        if not runs(model, self.prepared.feeds):
            return STILLBORN, "does not run"
        if is_killed(self.prepared.task, self.prepared.cases, model):
            return KILLED, ""
        judged()
        verdict = self.judge.judge(model)
        return (EQUIVALENT if verdict.is_equivalent else SURVIVED), str(verdict)

    def _unsimplified(self) -> bytes:
        """The true file as one with another config is made."""
        if self._traced is None:
            model = traced(self.prepared, {}) if self.prepared.subject.is_config else self.prepared.model
            self._traced = model.SerializeToString()
        return self._traced

    @property
    def judge(self) -> Judge:
        """Made when a fault passes."""
        if self._judge is None:
            subject, task = self.prepared.subject, self.prepared.task
            feeds = further(task, self.plan.pictures, subject.pictures, self.plan.seed)
            self._judge = Judge(task, self.prepared.model, feeds)
        return self._judge
