"""A test set, and what is run on it: the file, and PyTorch where that is asked for."""

import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from ..loading import AUGMENTED, Kinds, LoadOptions, augmentation, load, read
from ..support import InputError
from ..terminal import Report
from . import data, pictures, scoring
from .distributed import Processes, gathered, merged
from .evaluator import Evaluator
from .file import OnnxFile
from .settings import EvaluationSettings

ONNX, PYTORCH = "ONNX", "PyTorch"


@dataclass
class TestSet:
    """What the stages hand on: the set, how it is read, and what is run on it."""

    evaluator: Evaluator
    kinds: Kinds
    config: Any
    dataset: Any
    batch_size: int
    workers: int
    file: OnnxFile
    options: Dict[str, Any]
    models: Dict[str, Callable[[data.Group], List[Any]]]

    @property
    def classes(self) -> Sequence[str]:
        """The dataset's class names, empty where it has none."""
        return tuple(self.dataset.CLASSES or ())


def load_test_set(settings: EvaluationSettings, processes: Processes) -> Tuple[TestSet, List[str]]:
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
    return TestSet(evaluator, owner.kinds(), config, dataset, batch_size, workers, file, options, models), notes


def run(
    test: TestSet, settings: EvaluationSettings, processes: Processes, report: Report
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


def _draw(test: TestSet, groups: List[data.Group], found: Dict[str, List[Any]], settings: EvaluationSettings) -> None:
    palette = getattr(test.dataset, "PALETTE", None)
    palette = palette if isinstance(palette, (list, tuple)) and len(palette) == len(test.classes) else ()
    for group in groups:
        for place, meta in zip(group.places, group.metas):
            order = [name for name in (PYTORCH, ONNX) if name in found]
            shown = [(name, test.evaluator.drawable(found[name][place], meta)) for name in order]
            pictures.draw(
                str(settings.show_dir), meta, shown, test.classes, palette, settings.show_score_thr, test.kinds
            )
