"""The way of an evaluation: config and file in, scores out."""

import io
import os
import pickle
import time
import warnings
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Type

from ..environment import compat
from ..loading import AUGMENTED, Kind, LoadOptions, augmentation, load, read
from ..support import InputError, MmonnxError, alone, check_writable, replacing
from ..terminal import Report
from . import data, pictures, scoring
from .distributed import LAUNCHERS, Processes, gathered, joined, merged
from .evaluator import Evaluator
from .file import OnnxFile

ONNX, PYTORCH = "ONNX", "PyTorch"


@dataclass(frozen=True)
class EvaluationSettings:
    """Everything that one evaluation is asked for.

    Attributes:
        config: as for an export.
        file: the ONNX file.
        metrics: what ``dataset.evaluate`` is asked for, such as ``bbox``, ``segm`` or ``accuracy``; may be empty.
        options: further arguments of it, ``metric_options`` for a classifier's.
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
            with masks a tuple of it and their run lengths; for a classifier the probabilities (num_classes,).
        scores: the file's figures by upstream's names, empty if no metric was asked for.
        reference: PyTorch's, None without a checkpoint.
    """

    results: List[Any]
    scores: Dict[str, Any]
    reference: Optional[Dict[str, Any]]


@dataclass
class _TestSet:
    """What the stages hand on: the set, how it is read, and what is run on it."""

    evaluator: Evaluator
    kinds: Mapping[Type[Any], Kind]
    config: Any
    dataset: Any
    batch_size: int
    workers: int
    file: OnnxFile
    options: Dict[str, Any]
    models: Dict[str, Callable[[data.Group], List[Any]]]

    @property
    def classes(self) -> Sequence[str]:
        return tuple(self.dataset.CLASSES or ())


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
    _check(settings)
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


def _check(settings: EvaluationSettings) -> None:
    """Refuse what can be refused before anything is loaded."""
    compat.check_versions()
    if not (settings.metrics or settings.out or settings.show_dir or settings.format_only):
        raise InputError(
            "nothing is to be done with the results",
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
            raise InputError(f"--out {settings.out!r} is no pickle file", "a name with .pkl", "give another one")
        check_writable(settings.out)
    if settings.show_dir:
        check_writable(os.path.join(settings.show_dir, "picture.png"))


def _evaluate(settings: EvaluationSettings, processes: Processes, report: Report) -> Optional[Evaluation]:
    with report.stage("load") as stage:
        test, notes = _load(settings, processes)
        count = len(test.dataset)
        stage.note(f"{settings.file}, {type(test.dataset).__name__} of {count} image{'' if count == 1 else 's'}")
    for note in notes:
        report.warn(note)
    results = _run(test, settings, processes, report)
    if results is None:
        return None
    if settings.out:
        _write(test, results[ONNX], {}, settings.out)
    if settings.format_only:
        _format(test, results[ONNX], settings.options)
    if not settings.metrics:
        return Evaluation(results[ONNX], {}, None)
    return _score(test, results, settings, report)


def _load(settings: EvaluationSettings, processes: Processes) -> Tuple[_TestSet, List[str]]:
    """The config's test set, the file, and PyTorch's model; and what is to be told of them."""
    device = processes.device(settings.device)
    file = OnnxFile(settings.file, device, processes.threads())
    owner, config = read(settings.config, settings.cfg_options)
    evaluator = owner.evaluator()
    batch_size = settings.batch_size or data.batch_size_of(evaluator, config)
    workers = data.workers_of(config) if settings.workers is None else settings.workers
    asked = augmentation(config)
    notes = [f"{AUGMENTED} ({asked}): one pass without it is run"] if asked else []
    if file.size is not None and data.is_fitted(evaluator, config, file.size):
        notes.append(f"{settings.file} takes images of {file.size[0]}x{file.size[1]}: larger ones are resized to fit")
    dataset = data.build_test_set(evaluator, config, settings.config, file.size)
    options = scoring.evaluation_options(evaluator, config, settings.options)
    num_classes = len(dataset.CLASSES or ())
    evaluator.check(file, settings.metrics, options, num_classes)
    scoring.check_metrics(evaluator, dataset, settings.metrics)
    models = {ONNX: evaluator.run_file(file, config, num_classes)}
    if settings.compare_with:
        how = LoadOptions(
            cfg_options=settings.cfg_options,
            device=device,
            trust_checkpoint=settings.trust_checkpoint,
            checkpoint_key=settings.checkpoint_key,
        )
        task = load(settings.config, settings.compare_with, how)
        models[PYTORCH] = evaluator.run_pytorch(task)
        notes += [note for note in task.notes if not note.startswith(AUGMENTED)]
    return _TestSet(evaluator, owner.kinds(), config, dataset, batch_size, workers, file, options, models), notes


def _run(
    test: _TestSet, settings: EvaluationSettings, processes: Processes, report: Report
) -> Optional[Dict[str, List[Any]]]:
    """Each model's results in the dataset's order; None in all but the first process."""
    share = processes.share(len(test.dataset))
    loader = data.build_loader(test.evaluator, test.dataset, share, test.batch_size, test.workers)
    part: Dict[str, List[Any]] = {name: [] for name in test.models}
    seconds = dict.fromkeys(test.models, 0.0)
    padded, failed = False, None
    with report.stage("run") as stage:
        try:
            for size, groups in stage.progress(data.read_batches(loader), len(loader)):
                found = {name: _in_order(run, size, groups, name, seconds) for name, run in test.models.items()}
                padded = padded or any(_has_padding(group) for group in groups)
                if settings.show_dir:
                    _draw(test, groups, found, settings)
                for name in part:
                    part[name] += test.evaluator.packed(found[name])
        except InputError as error:
            failed = (error.what, error.expected, error.fix)
        parts = gathered((part, failed), processes)
        if parts is None:
            return None
        for _, failure in parts:
            if failure:
                raise InputError(*failure)
        each = {name: 1000 * spent / max(len(share), 1) for name, spent in seconds.items()}
        among = f" in {processes.size} processes" if processes.size > 1 else ""
        stage.note(f"batches of {test.batch_size}{among}, " + ", ".join(f"{n} {t:.0f} ms" for n, t in each.items()))
    if padded and test.evaluator.is_misled(test.file, test.config):
        report.warn(
            "images are padded, and this file does not know where: near the padding its answers differ a little from "
            "PyTorch's; export it for ONNX Runtime, without --no-image-size-input"
        )
    return {name: merged([one[name] for one, _ in parts], len(test.dataset)) for name in part}


def _in_order(
    run: Callable[[data.Group], List[Any]], size: int, groups: List[data.Group], name: str, seconds: Dict[str, float]
) -> List[Any]:
    """A model's results of a batch; the time that it takes is added."""
    found: List[Any] = [None] * size
    started = time.perf_counter()
    for group in groups:
        for place, result in zip(group.places, run(group)):
            found[place] = result
    seconds[name] += time.perf_counter() - started
    return found


def _has_padding(group: data.Group) -> bool:
    shape = group.metas[0].get("img_shape")
    return shape is not None and tuple(shape[:2]) != tuple(group.images.shape[2:])


def _draw(test: _TestSet, groups: List[data.Group], found: Dict[str, List[Any]], settings: EvaluationSettings) -> None:
    palette = getattr(test.dataset, "PALETTE", None)
    palette = palette if isinstance(palette, (list, tuple)) and len(palette) == len(test.classes) else ()
    for group in groups:
        for place, meta in zip(group.places, group.metas):
            order = [name for name in (PYTORCH, ONNX) if name in found]
            shown = [(name, test.evaluator.drawable(found[name][place], meta)) for name in order]
            pictures.draw(
                str(settings.show_dir), meta, shown, test.classes, palette, settings.show_score_thr, test.kinds
            )


def _write(test: _TestSet, results: List[Any], scores: Dict[str, Any], path: str) -> None:
    with replacing(path) as temporary, open(str(temporary), "wb") as file:
        pickle.dump(test.evaluator.to_write(results, test.classes, scores), file, protocol=2)


def _format(test: _TestSet, results: List[Any], options: Dict[str, Any]) -> None:
    name = type(test.dataset).__name__
    if not hasattr(test.dataset, "format_results"):
        raise InputError(f"{name} knows no --format-only", "a dataset with a test server", "use --out")
    try:
        test.dataset.format_results(results, **options)
    except Exception as error:  # a dataset raises whatever its own code raises
        raise InputError(
            f"{name} cannot format the results ({error})", "the options of its format_results", "change --eval-options"
        ) from error


def _score(test: _TestSet, results: Dict[str, List[Any]], settings: EvaluationSettings, report: Report) -> Evaluation:
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
