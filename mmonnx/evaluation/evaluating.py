"""The way of an evaluation: config and file in, scores out."""

import io
import pickle
import warnings
from typing import Any, Dict, List, Optional, Tuple

from ..support import MmonnxError, alone, replacing
from ..terminal import Report
from . import scoring
from .distributed import Processes, joined
from .running import ONNX, PYTORCH, TestSet, load_test_set, run
from .sets import Tally
from .settings import Evaluation, EvaluationSettings, check


def evaluate(settings: EvaluationSettings, report: Optional[Report] = None) -> Optional[Evaluation]:
    """Run a file on the test set of a config, and have upstream's dataset evaluate what it gives.

    Args:
        settings: what is asked for.
        report: where progress is told; standard output if None.

    Returns:
        The scores; None in all but the first of several processes.

    Raises:
        InputError: something that the user gave is wrong; of several processes the first alone says so.
    """
    check(settings)
    with alone(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # upstream's code on newer releases of what it uses
        with joined(settings.launcher) as processes:
            report = (report or Report()) if processes.rank == 0 else Report(io.StringIO())
            try:
                test, tallies = _run(settings, processes, report)
            except MmonnxError as error:
                if processes.rank:
                    raise SystemExit(error.status) from error
                raise
        # the processes have parted: metrics of the second generation would wait for the others
        return None if tallies is None else _finish(test, tallies, settings, report)


def _run(
    settings: EvaluationSettings, processes: Processes, report: Report
) -> Tuple[TestSet, Optional[Dict[str, Tally]]]:
    with report.stage("load") as stage:
        test, notes = load_test_set(settings, processes)
        count = len(test.dataset)
        stage.note(f"{settings.file}, {type(test.dataset).__name__} of {count} image{'' if count == 1 else 's'}")
    for note in notes:
        report.warn(note)
    return test, run(test, settings, processes, report)


def _finish(test: TestSet, tallies: Dict[str, Tally], settings: EvaluationSettings, report: Report) -> Evaluation:
    results = tallies[ONNX].results
    if settings.out:
        _write(test, results, {}, settings.out)
    if settings.format_only:
        tallies[ONNX].format()
    if not tallies[ONNX].metrics:
        return Evaluation(results, {}, None)
    return _score(test, tallies, settings, report)


def _write(test: TestSet, results: List[Any], scores: Dict[str, Any], path: str) -> None:
    with replacing(path) as temporary, open(str(temporary), "wb") as file:
        pickle.dump(test.evaluator.to_write(results, test.classes, scores), file, protocol=2)


def _score(test: TestSet, tallies: Dict[str, Tally], settings: EvaluationSettings, report: Report) -> Evaluation:
    scores: Dict[str, Dict[str, Any]] = {}
    with report.stage("score") as stage:
        stage.note(", ".join(tallies[ONNX].metrics))
        printed = {}
        for name, tally in tallies.items():
            scores[name], printed[name] = tally.score()
    if tallies[ONNX].options.get("classwise"):
        for name, text in printed.items():
            report.text(f"{name}:\n{text}")
    reference = scores.get(PYTORCH)
    columns = ["metric", ONNX] + ([PYTORCH, "difference"] if reference is not None else [])
    report.listing(columns, scoring.rows(scores[ONNX], reference))
    if not scores[ONNX]:
        report.warn("nothing was found in any image, so that there is nothing to score")
    results = tallies[ONNX].results
    if settings.out and test.evaluator.scores_in_results:
        _write(test, results, scores[ONNX], settings.out)
    return Evaluation(results, scores[ONNX], reference)
