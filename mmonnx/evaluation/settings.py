"""What one evaluation is asked for, and what came of it."""

import os
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence

from ..environment import compat
from ..support import InputError, check_writable
from .distributed import LAUNCHERS


@dataclass(frozen=True)
class EvaluationSettings:
    """Everything that one evaluation is asked for.

    Attributes:
        config: as for an export.
        file: the ONNX file.
        metrics: what ``dataset.evaluate`` is asked for, such as ``bbox``, ``segm`` or ``accuracy``; may be empty. Of
            2.x: what the config's ``test_evaluator`` is to evaluate in the place of its own.
        options: further arguments of it, ``metric_options`` for a classifier's; of 2.x, of the ``test_evaluator``.
        cfg_options: overrides of the config.
        batch_size: images of a batch, None for the config's own.
        workers: processes that load images, None for the config's own number.
        launcher: see ``distributed.joined``.
        compare_with: the checkpoint that PyTorch is run with as well, None for the file alone.
        trust_checkpoint: see ``compat.load_checkpoint_file``.
        checkpoint_key: which of its sets of weights; None for the likeliest.
        out: pickle file for the results, None for none.
        format_only: write the results as the dataset's test server takes them, and evaluate nothing.
        show_dir: folder for pictures, None for none.
        show_score_thr: the score from which on a detection is drawn.
        device: ``cpu``, ``cuda`` or ``cuda:1``.
    """

    config: str
    file: str
    metrics: Sequence[str] = ()
    options: Dict[str, Any] = field(default_factory=dict)
    cfg_options: Dict[str, Any] = field(default_factory=dict)
    batch_size: Optional[int] = None
    workers: Optional[int] = None
    launcher: str = "none"
    compare_with: Optional[str] = None
    trust_checkpoint: bool = False
    checkpoint_key: Optional[str] = None
    out: Optional[str] = None
    format_only: bool = False
    show_dir: Optional[str] = None
    show_score_thr: float = 0.3
    device: str = "cpu"


@dataclass(frozen=True)
class Evaluation:
    """What became of an evaluation.

    Attributes:
        results: the file's, an image each, in upstream's form: for a detector a list with an array (n, 5) per class,
            with masks a tuple of it and their run lengths; for a classifier the probabilities (num_classes,). Of 2.x:
            data samples as dicts, as upstream's ``tools/test.py --out`` has them, masks as run lengths.
        scores: the file's figures by upstream's names, empty if no metric was asked for.
        reference: PyTorch's, None without a checkpoint.
    """

    results: List[Any]
    scores: Dict[str, Any]
    reference: Optional[Dict[str, Any]]


def check(settings: EvaluationSettings) -> None:
    """Refuse what can be refused before anything is loaded.

    Raises:
        InputError: the settings ask for nothing, or for what does not go together.
    """
    compat.check_versions()
    asked = settings.metrics or settings.out or settings.show_dir or settings.format_only
    if not asked and not compat.metrics_in_configs():
        raise InputError(
            "there is nothing to do with the results",
            "--eval METRIC, --out FILE, --format-only or --show-dir DIR",
            "give one of them",
        )
    if settings.metrics and settings.format_only:
        raise InputError("--format-only evaluates nothing", "no --eval beside it", "leave one out")
    if settings.format_only and not settings.options:
        raise InputError("--format-only: no name for its files", "--eval-options jsonfile_prefix=PATH", "give one")
    if settings.launcher not in LAUNCHERS:
        raise InputError(f"launcher {settings.launcher!r} is unknown", ", ".join(LAUNCHERS), "give one of them")
    if settings.out:
        if not settings.out.endswith((".pkl", ".pickle")):
            raise InputError(f"--out {settings.out!r} is not a pickle file", "a name with .pkl", "give another one")
        check_writable(settings.out)
    if settings.show_dir:
        check_writable(os.path.join(settings.show_dir, "picture.png"))
