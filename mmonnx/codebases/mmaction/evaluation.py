"""The file's scores, and PyTorch's own inference, as mmaction2's datasets evaluate them."""

import copy
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Mapping, Sequence, Tuple

import numpy as np
import torch

from ...environment import compat
from ...evaluation import Evaluator, Group, OnnxFile
from ...loading import LoadOptions, Task, build
from ...support import InputError
from .building import built
from .localizers import KINDS, answers_of, kind_of
from .test_sets import FilmSets

_OUTPUTS = ({"probs"}, {"logits"}, *(set(kind.outputs) for kind in KINDS.values()))
_OF_RECOGNIZERS = _OUTPUTS[:2]
_CLASSES = 1000
"""Of a single made-up answer, by which a dataset is asked what it knows."""


class FilmEvaluator(Evaluator):
    """Scores and proposals as mmaction2's datasets evaluate them; what it counts are films."""

    package = "mmaction"

    @property
    def sets(self) -> FilmSets:
        """See ``Evaluator.sets``."""
        return FilmSets(self)

    def options(self, given: Dict[str, Any], asked: Dict[str, Any]) -> Dict[str, Any]:
        """The arguments of ``dataset.evaluate``; what a config has for the hook of trainings is not for them."""
        return {name: tuple(value) if isinstance(value, list) else value for name, value in asked.items()}

    def ask(self, dataset: Any, metric: str) -> None:
        """Have it evaluate a single film: of none, it says that their number is wrong."""
        single = copy.copy(dataset)
        single.video_infos = dataset.video_infos[:1]
        single.evaluate([np.zeros(_CLASSES, np.float32)], metrics=[metric])

    def score(self, dataset: Any, results: List[Any], metrics: Sequence[str], options: Dict[str, Any]) -> Any:
        """The dataset's own figures, by name; it raises what it raises."""
        with compat.old_numpy_names():
            return dataset.evaluate(results, metrics=list(metrics), **options)

    def classes(self, dataset: Any) -> Tuple[Sequence[str], Sequence[Sequence[int]]]:
        """None: datasets of films do not keep their names."""
        return (), ()

    def check(self, file: OnnxFile, metrics: Sequence[str], options: Mapping[str, Any], num_classes: int) -> None:
        """Refuse a file that gives neither scores of classes nor what proposals are made of.

        Raises:
            InputError: it gives none.
        """
        if set(file.outputs) not in _OUTPUTS:
            raise InputError(
                f"'{file.path}' gives {', '.join(file.outputs)}",
                "probs or logits, or what a localizer gives",
                "give the file of a recognizer or a localizer",
            )

    def run_file(self, file: OnnxFile, config: Any, num_classes: int) -> Callable[[Group], List[Any]]:
        """What gives the file's scores, (num_classes,) each; of a localizer, proposals that upstream makes of them."""
        if set(file.outputs) not in _OF_RECOGNIZERS:
            return _localized(file, build(config, built, LoadOptions(), initialised=True))

        def run(group: Group) -> List[Any]:
            height, width = group.images.shape[-2:]
            return [next(iter(row.values())) for row in file(group.images.numpy(), (int(height), int(width)))]

        return run

    def run_pytorch(self, task: Task) -> Callable[[Group], List[Any]]:
        """What gives the model's own scores, or proposals."""
        device = task.inputs["input"].device
        module: Any = task.module
        if kind_of(module.model) is not None:
            return lambda group: [_proposals(module.model, sample) for sample in group.samples]

        def run(group: Group) -> List[Any]:
            found: Sequence[Any] = task.predict({"input": group.images.to(device)})
            if len(found) != len(group.images):
                raise InputError(
                    f"{task.title} gives {len(found)} answers for {len(group.images)} films, as its clips are not "
                    "averaged",
                    "one for each",
                    "--cfg-options model.test_cfg.average_clips=prob, for the export too",
                )
            return [one.probs for one in found]

        return run

    def drawable(self, result: Any, meta: Dict[str, Any]) -> Any:
        """Nothing.

        Raises:
            InputError: films are no pictures.
        """
        raise InputError(
            "--show-dir draws on pictures", "a test set of pictures", "leave it out, or use mmonnx predict"
        )


def _localized(file: OnnxFile, model: Any) -> Callable[[Group], List[Any]]:
    """What lets upstream make proposals of what a file gives in the place of the model's own network."""
    names = next(kind.outputs for kind in KINDS.values() if set(kind.outputs) == set(file.outputs))

    def run(group: Group) -> List[Any]:
        rows, columns = group.images.shape[-2:]
        found = []
        for outputs, sample in zip(file(group.images.numpy(), (int(rows), int(columns))), group.samples):
            with _network(model, answers_of(outputs, names)):
                found.append(_proposals(model, sample))
        return found

    return run


@contextmanager
def _network(model: Any, answer: Any) -> Iterator[None]:
    """Let a localizer's network give an answer inside the block, whatever it is asked."""
    model._forward = lambda features: answer
    try:
        yield
    finally:
        del model._forward  # which is the class's again


def _proposals(model: Any, sample: Dict[str, Any]) -> Any:
    """What upstream's own test makes of a film."""
    device = next(iter(model.parameters())).device
    held = {name: one.to(device) if isinstance(one, torch.Tensor) else one for name, one in sample.items()}
    with torch.no_grad():
        (found,) = model(return_loss=False, **held)
    return found
