"""The file's scores, and PyTorch's own inference, as mmaction2's datasets evaluate them."""

import copy
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from ...evaluation import Evaluator, Group, OnnxFile
from ...loading import Task
from ...support import InputError
from .test_sets import FilmSets

_OUTPUTS = ({"probs"}, {"logits"})
_CLASSES = 1000
"""Of a single made-up answer, by which a dataset is asked what it knows."""


class RecognizerEvaluator(Evaluator):
    """Scores as mmaction2's datasets evaluate them; what it counts are films."""

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
        return dataset.evaluate(results, metrics=list(metrics), **options)

    def classes(self, dataset: Any) -> Tuple[Sequence[str], Sequence[Sequence[int]]]:
        """None: datasets of films do not keep their names."""
        return (), ()

    def check(self, file: OnnxFile, metrics: Sequence[str], options: Mapping[str, Any], num_classes: int) -> None:
        """Refuse a file that does not give scores of classes.

        Raises:
            InputError: it gives none.
        """
        if set(file.outputs) not in _OUTPUTS:
            raise InputError(
                f"'{file.path}' gives {', '.join(file.outputs)}", "probs or logits", "give the file of a recognizer"
            )

    def run_file(self, file: OnnxFile, config: Any, num_classes: int) -> Callable[[Group], List[Any]]:
        """What gives the file's scores, (num_classes,) each."""

        def run(group: Group) -> List[Any]:
            height, width = group.images.shape[-2:]
            return [next(iter(row.values())) for row in file(group.images.numpy(), (int(height), int(width)))]

        return run

    def run_pytorch(self, task: Task) -> Callable[[Group], List[Any]]:
        """What gives the model's own scores."""
        device = task.inputs["input"].device

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
