"""The way of an evaluation: config and file in, scores out."""

import io
import pickle
import warnings
from typing import Any, Dict, List, Optional

from ..support import InputError, MmonnxError, alone, replacing
from ..terminal import Report
from . import scoring
from .distributed import Processes, joined
from .running import ONNX, PYTORCH, TestSet, load_test_set, run
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
    with joined(settings.launcher) as processes:
        report = (report or Report()) if processes.rank == 0 else Report(io.StringIO())
        try:
            with alone(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # upstream's code on newer releases of what it uses
                return _evaluate(settings, processes, report)
        except MmonnxError as error:
            if processes.rank:
                raise SystemExit(error.status) from error
            raise


def _evaluate(settings: EvaluationSettings, processes: Processes, report: Report) -> Optional[Evaluation]:
    with report.stage("load") as stage:
        test, notes = load_test_set(settings, processes)
        count = len(test.dataset)
        stage.note(f"{settings.file}, {type(test.dataset).__name__} of {count} image{'' if count == 1 else 's'}")
    for note in notes:
        report.warn(note)
    results = run(test, settings, processes, report)
    if results is None:
        return None
    if settings.out:
        _write(test, results[ONNX], {}, settings.out)
    if settings.format_only:
        _format(test, results[ONNX], settings.options)
    if not settings.metrics:
        return Evaluation(results[ONNX], {}, None)
    return _score(test, results, settings, report)


def _write(test: TestSet, results: List[Any], scores: Dict[str, Any], path: str) -> None:
    with replacing(path) as temporary, open(str(temporary), "wb") as file:
        pickle.dump(test.evaluator.to_write(results, test.classes, scores), file, protocol=2)


def _format(test: TestSet, results: List[Any], options: Dict[str, Any]) -> None:
    name = type(test.dataset).__name__
    if not hasattr(test.dataset, "format_results"):
        raise InputError(f"{name} knows no --format-only", "a dataset with a test server", "use --out")
    try:
        test.dataset.format_results(results, **options)
    except Exception as error:  # a dataset raises whatever its own code raises
        raise InputError(
            f"{name} cannot format the results ({error})", "the options of its format_results", "change --eval-options"
        ) from error


def _score(test: TestSet, results: Dict[str, List[Any]], settings: EvaluationSettings, report: Report) -> Evaluation:
    scores: Dict[str, Dict[str, Any]] = {}
    with report.stage("score") as stage:
        stage.note(", ".join(settings.metrics))
        printed = {}
        for name, found in results.items():
            scores[name], printed[name] = scoring.score(test.dataset, found, settings.metrics, test.options)
    if test.options.get("classwise"):
        for name, text in printed.items():
            report.text(f"{name}:\n{text}")
    reference = scores.get(PYTORCH)
    columns = ["metric", ONNX] + ([PYTORCH, "difference"] if reference is not None else [])
    report.listing(columns, scoring.rows(scores[ONNX], reference))
    if not scores[ONNX]:
        report.warn("nothing was found in any image, so that there is nothing to score")
    if settings.out and test.evaluator.scores_in_results:
        _write(test, results[ONNX], scores[ONNX], settings.out)
    return Evaluation(results[ONNX], scores[ONNX], reference)
