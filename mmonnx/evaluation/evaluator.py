"""How a codebase's test sets are read, run and scored."""

import importlib
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ..environment import compat
from ..loading import Task
from .file import OnnxFile
from .first_generation import FirstSets
from .sets import Group, TestSets, palette_of


class Evaluator:
    """What differs between codebases when a file is run on a test set; upstream's datasets and metrics do the rest.

    Attributes:
        package: the package whose ``datasets`` builds the test set and its loader.
        batch_of_training: the batch of a config that has none for tests is that of its training, not one.
        scores_in_results: what ``--out`` holds has the scores in it.
    """

    package: str = ""
    batch_of_training = False
    scores_in_results = False

    @property
    def sets(self) -> TestSets:
        """How the test sets of the codebase's generation are built, loaded and scored."""
        return FirstSets(self)

    def pipeline(self, steps: Any, size: Optional[Tuple[int, int]]) -> Any:
        """The test pipeline as it is run.

        Args:
            steps: the config's.
            size: the greatest (height, width) of an image, None for no limit.
        """
        return steps

    def is_fitted(self, steps: Any, size: Optional[Tuple[int, int]]) -> bool:
        """Whether images of a pipeline may have to be made smaller than the config says."""
        return False

    def classes(self, dataset: Any) -> Tuple[Sequence[str], Sequence[Sequence[int]]]:
        """A dataset's class names, and (red, green, blue) of each; empty where it has none."""
        classes = tuple(dataset.CLASSES or ())
        return classes, palette_of(getattr(dataset, "PALETTE", None), classes)

    def check(self, file: OnnxFile, metrics: Sequence[str], options: Mapping[str, Any], num_classes: int) -> None:
        """Refuse a file that does not give what the metrics need.

        Raises:
            InputError: it lacks an output, or has other classes than the dataset.
        """

    def run_file(self, file: OnnxFile, config: Any, num_classes: int) -> Callable[[Group], List[Any]]:
        """What gives the file's answers of images in the form that the dataset evaluates."""
        raise NotImplementedError

    def run_pytorch(self, task: Task) -> Callable[[Group], List[Any]]:
        """What gives the model's own answers, as upstream's test tools get them."""
        raise NotImplementedError

    def options(self, given: Dict[str, Any], asked: Dict[str, Any]) -> Dict[str, Any]:
        """The arguments of ``dataset.evaluate``.

        Args:
            given: those of the config.
            asked: those of the command line, which go first.
        """
        return {**given, **asked}

    def usual_metrics(self, config: Any) -> Sequence[str]:
        """What a config's own ``evaluation`` asks for; empty where metrics are settings of their own."""
        found = (config.get("evaluation") or {}).get("metric") or ()
        return (found,) if isinstance(found, str) else tuple(found)

    def ask(self, dataset: Any, metric: str) -> None:
        """Have the dataset evaluate nothing, or as little as it takes, by a metric; it raises what it raises."""
        dataset.evaluate([], metric=[metric])

    def score(self, dataset: Any, results: List[Any], metrics: Sequence[str], options: Dict[str, Any]) -> Any:
        """The dataset's own figures, by name; it raises what it raises."""
        return dataset.evaluate(results, metric=list(metrics), **options)

    def packed(self, results: List[Any]) -> List[Any]:
        """Results as upstream keeps and writes them."""
        return results

    def drawable(self, result: Any, meta: Dict[str, Any]) -> Any:
        """One result for a picture: ``Detections``, ``Scores``, or of a kind that the codebase knows to draw."""
        return result

    def to_write(self, results: List[Any], classes: Sequence[str], scores: Dict[str, Any]) -> Any:
        """What ``--out`` holds."""
        return results

    def is_misled(self, file: OnnxFile, config: Any) -> bool:
        """Whether a file takes padding for a part of the image, and the answers depend on it."""
        return False

    def datasets(self) -> Any:
        """The package's ``datasets``."""
        with compat.newest_mmcv_taken():
            return importlib.import_module(f"{self.package}.datasets")
