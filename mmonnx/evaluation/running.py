"""A test set, and what is run on it: the file, and PyTorch where that is asked for."""

import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from ..loading import AUGMENTED, Kinds, LoadOptions, augmentation, load, read
from ..support import InputError
from ..terminal import Report
from . import pictures
from .distributed import Processes, gathered
from .evaluator import Evaluator
from .file import OnnxFile
from .sets import Batch, Group, Tally
from .settings import EvaluationSettings

ONNX, PYTORCH = "ONNX", "PyTorch"


@dataclass
class TestSet:
    """What the stages hand on: the set, how it is read, and what is run on it and collects the results."""

    evaluator: Evaluator
    kinds: Kinds
    config: Any
    dataset: Any
    batch_size: int
    workers: int
    file: OnnxFile
    models: Dict[str, Callable[[Group], List[Any]]]
    tallies: Dict[str, Tally]

    @property
    def classes(self) -> Sequence[str]:
        """The dataset's class names, empty where it has none."""
        return self.evaluator.sets.classes(self.dataset)[0]


def load_test_set(settings: EvaluationSettings, processes: Processes) -> Tuple[TestSet, List[str]]:
    """The config's test set, the file, and PyTorch's model; and what is to be told of them."""
    device = processes.device(settings.device)
    file = OnnxFile(settings.file, device, processes.threads())
    owner, config = read(settings.config, settings.cfg_options)
    evaluator = owner.evaluator()
    sets = evaluator.sets
    batch_size = settings.batch_size or sets.batch_size(config)
    workers = sets.workers(config) if settings.workers is None else settings.workers
    asked = augmentation(config)
    notes = [f"{AUGMENTED} ({asked}): one pass without it is run"] if asked else []
    if file.size is not None and sets.is_fitted(config, file.size):
        notes.append(f"{settings.file} takes images of {file.size[0]}x{file.size[1]}: larger ones are resized to fit")
    dataset = sets.build(config, settings.config, file.size)
    num_classes = len(sets.classes(dataset)[0])
    tallies = {ONNX: sets.tally(config, dataset, settings)}
    evaluator.check(file, tallies[ONNX].metrics, tallies[ONNX].options, num_classes)
    tallies[ONNX].check()
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
        tallies[PYTORCH] = sets.tally(config, dataset, settings)
        notes += [note for note in task.notes if not note.startswith(AUGMENTED)]
    kinds = owner.kinds()
    return TestSet(evaluator, kinds, config, dataset, batch_size, workers, file, models, tallies), notes


def run(
    test: TestSet, settings: EvaluationSettings, processes: Processes, report: Report
) -> Optional[Dict[str, Tally]]:
    """Each model's results, in the dataset's order; None in all but the first process."""
    sets, share = test.evaluator.sets, processes.share(len(test.dataset))
    loader = sets.loader(test.config, test.dataset, share, test.batch_size, test.workers)
    seconds = dict.fromkeys(test.models, 0.0)
    padded, failed = False, None
    with report.stage("run") as stage:
        try:
            for batch in stage.progress(sets.batches(test.config, test.dataset, loader), len(loader)):
                found = {name: _in_order(run, batch, name, seconds) for name, run in test.models.items()}
                padded = padded or any(_has_padding(group) for group in batch.groups)
                if settings.show_dir:
                    _draw(test, batch.groups, found, settings)
                for name, tally in test.tallies.items():
                    tally.add(batch, found[name])
        except InputError as error:
            failed = (error.what, error.expected, error.fix)
        parts = gathered(({name: tally.part for name, tally in test.tallies.items()}, failed), processes)
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
    for name, tally in test.tallies.items():
        tally.join([one[name] for one, _ in parts], len(test.dataset))
    return test.tallies


def _in_order(run: Callable[[Group], List[Any]], batch: Batch, name: str, seconds: Dict[str, float]) -> List[Any]:
    """A model's results of a batch; the time that it takes is added."""
    found: List[Any] = [None] * batch.count
    started = time.perf_counter()
    for group in batch.groups:
        for place, result in zip(group.places, run(group)):
            found[place] = result
    seconds[name] += time.perf_counter() - started
    return found


def _has_padding(group: Group) -> bool:
    shape = group.metas[0].get("img_shape")
    return shape is not None and tuple(shape[:2]) != tuple(group.images.shape[-2:])


def _draw(test: TestSet, groups: List[Group], found: Dict[str, List[Any]], settings: EvaluationSettings) -> None:
    classes, palette = test.evaluator.sets.classes(test.dataset)
    for group in groups:
        for place, meta in zip(group.places, group.metas):
            order = [name for name in (PYTORCH, ONNX) if name in found]
            shown = [(name, test.evaluator.drawable(found[name][place], meta)) for name in order]
            pictures.draw(str(settings.show_dir), meta, shown, classes, palette, settings.show_score_thr, test.kinds)
