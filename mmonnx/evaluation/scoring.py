"""Upstream's own evaluation of results, and its figures as rows of a table."""

import contextlib
import io
import warnings
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from ..support import InputError, type_and_line
from .evaluator import Evaluator

# What a config's `evaluation` has for the hook that evaluates while training, and not for the dataset.
_OF_THE_HOOK = (
    "interval",
    "by_epoch",
    "start",
    "save_best",
    "rule",
    "dynamic_intervals",
    "greater_keys",
    "less_keys",
    "broadcast_bn_buffer",
    "tmpdir",
    "gpu_collect",
    "out_dir",
    "file_client_args",
)


def evaluation_options(evaluator: Evaluator, config: Any, asked: Dict[str, Any]) -> Dict[str, Any]:
    """The arguments of ``dataset.evaluate``: those of the config's ``evaluation``, then those that are asked for.

    Args:
        evaluator: the codebase's, an ``Evaluator``.
        config: the model's.
        asked: of the command line.
    """
    given = dict(config.get("evaluation") or {})
    options = {name: value for name, value in given.items() if name not in _OF_THE_HOOK and name != "metric"}
    return dict(evaluator.options(options, asked))


def check_metrics(evaluator: Evaluator, dataset: Any, metrics: Sequence[str]) -> None:
    """Refuse a metric that the dataset does not know, before all of its images are run.

    Raises:
        InputError: upstream's own evaluation refuses it.
    """
    for metric in metrics:
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                evaluator.ask(dataset, metric)
            except InputError:
                raise
            except Exception as error:  # of an evaluation of nothing: one reason alone is of interest
                if "not supported" in str(error):
                    raise InputError(
                        f"metric {metric!r} is unknown to {type(dataset).__name__}",
                        "bbox, segm, proposal_fast, ... of a detector's dataset; accuracy, precision, ... of a "
                        "classifier's; mIoU, mDice, mFscore of a segmentor's; "
                        "mAP, PCK, AUC, EPE, NME of a pose estimator's",
                        "give one of its own with --eval",
                    ) from error


def score(
    evaluator: Evaluator, dataset: Any, results: List[Any], metrics: Sequence[str], options: Dict[str, Any]
) -> Tuple[Dict[str, Any], str]:
    """Upstream's evaluation.

    Returns:
        Its figures by name, and what it printed.

    Raises:
        InputError: it fails.
    """
    printed = io.StringIO()
    try:
        # recorded, and so not shown: upstream sets filters of its own for what it warns of
        with contextlib.redirect_stdout(printed), warnings.catch_warnings(record=True):
            found = evaluator.score(dataset, results, metrics, options)
    except Exception as error:  # a dataset raises whatever its own code raises
        raise InputError(
            f"{type(dataset).__name__} cannot evaluate {', '.join(metrics)} ({type_and_line(error)[:300]})",
            "metrics and options that it takes",
            "change --eval or --eval-options",
        ) from error
    return dict(found), printed.getvalue()


def rows(scores: Dict[str, Any], reference: Optional[Dict[str, Any]]) -> List[List[str]]:
    """A row a figure: its name, the file's, and with a reference PyTorch's and the difference."""
    names = list(scores) + [name for name in reference or () if name not in scores]
    lines = []
    for name in names:
        ours = scores.get(name)
        if isinstance(ours, str) or isinstance((reference or {}).get(name), str):
            continue  # a line for a paper, of figures that are there already
        line = [name, _text(ours)]
        if reference is not None:
            theirs = reference.get(name)
            difference = "-"
            if ours is not None and theirs is not None and np.ndim(ours) == np.ndim(theirs) == 0:
                difference = _difference(float(ours) - float(theirs))
            line += [_text(theirs), difference]
        lines.append(line)
    return lines


def _difference(value: float) -> str:
    return f"{value:+.4f}" if value else "0"


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if np.ndim(value) > 1:  # a matrix of confusions
        return f"{'x'.join(map(str, np.shape(value)))} figures"
    return f"{float(value):.4f}" if np.ndim(value) == 0 else ", ".join(f"{each:.4f}" for each in np.ravel(value))
