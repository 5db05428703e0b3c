"""What a file's answers in a runtime are worth: the verification's pictures, matched as the verification does it."""

import re
from typing import Any, Dict, List, Sequence

import numpy as np
import onnx

from mmonnx.loading.task import Task
from mmonnx.runtime.engines import EngineDeathError, EngineError, EngineSession
from mmonnx.runtime.session import Session
from mmonnx.support.errors import ExportError, first_line
from mmonnx.targets.runs import DIES, DIFFERS, EQUAL, FAILS, REFUSED, Outcome
from mmonnx.verifying.outcome import Case, CaseResult
from mmonnx.verifying.verification import verify

_MOST = 300
"""Characters of a detail."""
_WHOSE = "the runtime failed: "


class _Watched:
    """A session's ``run`` that keeps the errors of the runtime's own."""

    def __init__(self, session: EngineSession) -> None:
        self.session = session
        self.errors: List[EngineError] = []

    def __call__(self, feeds: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
        try:
            return self.session.run(feeds)
        except EngineError as error:
            self.errors.append(error)
            raise


def judged(task: Task, cases: Sequence[Case], model: onnx.ModelProto, name: str) -> Outcome:
    """What becomes of a model's file in a runtime that is installed.

    Args:
        task: what the file takes and gives, and PyTorch's own answers.
        cases: the pictures.
        model: the file.
        name: the runtime's, in ``ENGINES``.

    Raises:
        ExportError: nothing can be said: PyTorch gives no answers, nobody finds anything on any picture, or the file
            differs from PyTorch in ONNX Runtime as well.
    """
    try:
        session = EngineSession(model, name)
    except EngineError as error:
        return Outcome(DIES if _is_death(error) else REFUSED, detail=shortened(first_line(error)))
    watched = _Watched(session)
    results = verify(task, watched, cases)
    _check_ours(task, results)
    matched, total = sum(result.matched for result in results), sum(result.total for result in results)
    bad = [result for result in results if not result.ok]
    if not bad:
        return Outcome(EQUAL, matched, total)
    if watched.errors:
        verdict = DIES if any(map(_is_death, watched.errors)) else FAILS
        return Outcome(verdict, matched, total, _detail([one for one in bad if _is_error(one)], len(results)))
    names = {result.name for result in bad}
    _check_reference(task, [case for case in cases if case.name in names], model)
    return Outcome(DIFFERS, matched, total, _detail(bad, len(results)))


def _check_ours(task: Task, results: Sequence[CaseResult]) -> None:
    ours = [line for result in results for line in result.problems if line.startswith("PyTorch failed")]
    if ours or not any(result.total or not result.ok for result in results):
        raise _nothing(task, ours[0] if ours else "there is nothing to compare on any picture")


def _check_reference(task: Task, cases: Sequence[Case], model: onnx.ModelProto) -> None:
    """What differs in ONNX Runtime too is no fault of another runtime's."""
    wrong = [result for result in verify(task, Session(model).run, cases) if not result.ok]
    if wrong:
        raise _nothing(task, f"in ONNX Runtime too the file differs: {_detail(wrong, len(cases))}")


def _nothing(task: Task, why: str) -> ExportError:
    return ExportError(f"{task.title} tells nothing of a runtime: {why}", "PyTorch's answers", "mend that first")


def _is_death(error: BaseException) -> bool:
    return isinstance(error.__cause__, EngineDeathError)


def _is_error(result: CaseResult) -> bool:
    return any(line.startswith(_WHOSE) for line in result.problems)


def _detail(bad: Sequence[CaseResult], total: int) -> str:
    """The first picture that is not right, and how many others are not."""
    first, more = bad[0], len(bad) - 1
    others = f" (and on {more} more of {total} pictures)" if more else f" (on one of {total} pictures)"
    problem = re.sub(rf"^{_WHOSE}(EngineError: )?", "", next(iter(first.problems), "it differs"))
    return shortened(f"{first.name}: {problem}") + others


def shortened(line: str) -> str:
    """A line without folders, which differ from machine to machine, and not too long."""
    line = re.sub(r"(?<![\w.])/(?:[^\s/'\"]+/)+", "", line)
    return line if len(line) <= _MOST else f"{line[: _MOST - 4]} ..."


def as_data(outcome: Outcome) -> Dict[str, Any]:
    """As the file of runs holds it: without what is empty."""
    found = {"matched": outcome.matched, "total": outcome.total, "detail": outcome.detail}
    return {"verdict": outcome.verdict, **{name: value for name, value in found.items() if value}}
