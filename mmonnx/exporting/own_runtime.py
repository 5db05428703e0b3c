"""The verification in the runtime that a file is for, beside that in ONNX Runtime: the same cases and matching."""

from dataclasses import replace
from typing import Any, Callable, Iterable, List, Optional, Sequence

import onnx

from ..loading import Task
from ..runtime import ENGINES, EngineError, EngineSession
from ..support import InputError
from ..targets import Target
from ..verifying import Case, CaseResult, verify


def why_not(target: Target) -> Optional[str]:
    """Why a file is verified in ONNX Runtime alone, in a line; None if it is not, or if the target is ONNX Runtime."""
    if not target.engine:
        return None
    if target.engine not in ENGINES:
        return f"verified in ONNX Runtime alone: mmonnx does not run {target.engine}"
    try:
        ENGINES[target.engine].version()
    except InputError as error:
        return f"verified in ONNX Runtime alone: {error.what} ({error.fix})"
    return None


def verify_there(
    task: Task,
    cases: Sequence[Case],
    file: onnx.ModelProto,
    target: Target,
    progress: Optional[Callable[[Sequence[Case]], Iterable[Case]]] = None,
    show: Optional[Callable[..., Any]] = None,
) -> List[CaseResult]:
    """Compare PyTorch with the file in its target's own runtime, which is installed; names of cases say which it is.

    Args:
        task: the model.
        cases: what to compare on.
        file: the model as it is in the file.
        target: what the file is for.
        progress, show: see ``verifying.verify``.
    """
    engine = ENGINES[target.engine]
    try:
        session = EngineSession(file, engine.name)
    except EngineError as error:
        return [CaseResult(f"loading, in {engine.titled()}", (0, 0), 0, problems=[str(error)])]
    there = [replace(case, name=f"{case.name}, in {engine.titled()}") for case in cases]
    return verify(task, session.run, there, progress, show)
