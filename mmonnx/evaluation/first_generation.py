"""Test sets of OpenMMLab 1.x: ``data.test`` of a config, and metrics that are the dataset's own."""

from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Sequence, Tuple

from ..support import InputError
from . import data, scoring
from .distributed import merged
from .sets import Batch, Size, Tally, TestSets

if TYPE_CHECKING:  # it knows the sets of its generation
    from .evaluator import Evaluator


class FirstSets(TestSets):
    """See ``TestSets``.

    Args:
        evaluator: what the codebase does differently.
    """

    def __init__(self, evaluator: "Evaluator") -> None:
        self._evaluator = evaluator

    def batch_size(self, config: Any) -> int:
        """See ``TestSets.batch_size``."""
        return data.batch_size_of(self._evaluator, config)

    def workers(self, config: Any) -> int:
        """See ``TestSets.workers``."""
        return data.workers_of(config)

    def of_training(self, config: Any) -> Optional[Any]:
        """See ``TestSets.of_training``."""
        return data.of_training(config)

    def is_fitted(self, config: Any, size: Optional[Size]) -> bool:
        """See ``TestSets.is_fitted``."""
        return data.is_fitted(self._evaluator, config, size)

    def build(self, config: Any, name: str, size: Optional[Size]) -> Any:
        """See ``TestSets.build``."""
        return data.build_test_set(self._evaluator, config, name, size)

    def classes(self, dataset: Any) -> Tuple[Sequence[str], Sequence[Sequence[int]]]:
        """See ``TestSets.classes``."""
        return self._evaluator.classes(dataset)

    def loader(self, config: Any, dataset: Any, indices: Sequence[int], batch_size: int, workers: int) -> Any:
        """See ``TestSets.loader``."""
        return data.build_loader(self._evaluator, dataset, indices, batch_size, workers)

    def batches(self, config: Any, dataset: Any, loader: Any) -> Iterator[Batch]:
        """See ``TestSets.batches``."""
        return data.read_batches(loader)

    def tally(self, config: Any, dataset: Any, asked: Any) -> Tally:
        """See ``TestSets.tally``."""
        options = scoring.evaluation_options(self._evaluator, config, asked.options)
        return FirstTally(self._evaluator, dataset, asked.metrics, options, asked.options)


class FirstTally(Tally):
    """See ``Tally``.

    Args:
        evaluator: what the codebase does differently.
        dataset: what evaluates the results.
        metrics: what it is asked for.
        options: further arguments of its ``evaluate``.
        asked: those of them that were given beside the config; ``format_results`` gets no others.
    """

    def __init__(
        self,
        evaluator: "Evaluator",
        dataset: Any,
        metrics: Sequence[str],
        options: Dict[str, Any],
        asked: Dict[str, Any],
    ) -> None:
        self.metrics, self.options, self.results = metrics, options, []
        self._evaluator, self._dataset, self._asked = evaluator, dataset, asked

    def check(self) -> None:
        """See ``Tally.check``."""
        scoring.check_metrics(self._evaluator, self._dataset, self.metrics)

    def add(self, batch: Batch, found: List[Any]) -> None:
        """See ``Tally.add``."""
        self.results += self._evaluator.packed(found)

    @property
    def part(self) -> Any:
        """See ``Tally.part``."""
        return self.results

    def join(self, parts: List[Any], count: int) -> None:
        """See ``Tally.join``."""
        self.results = merged(parts, count)

    def format(self) -> None:
        """See ``Tally.format``."""
        name = type(self._dataset).__name__
        if not hasattr(self._dataset, "format_results"):
            raise InputError(f"{name} knows no --format-only", "a dataset with a test server", "use --out")
        try:
            self._dataset.format_results(self.results, **self._asked)
        except Exception as error:  # a dataset raises whatever its own code raises
            raise InputError(
                f"{name} cannot format the results ({error})",
                "the options of its format_results",
                "change --eval-options",
            ) from error

    def score(self) -> Tuple[Dict[str, Any], str]:
        """See ``Tally.score``."""
        return scoring.score(self._evaluator, self._dataset, self.results, self.metrics, self.options)
