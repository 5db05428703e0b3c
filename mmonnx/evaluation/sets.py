"""What the two generations of OpenMMLab's toolboxes do differently with test sets: an interface of both.

In the first, a dataset evaluates the results of all of its images; in the second, metrics of the config are told every
batch, and evaluate what they have kept of it.
"""

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import torch

Size = Tuple[int, int]


@dataclass(frozen=True)
class Group:
    """Images of one size out of a batch.

    Attributes:
        places: where in the batch each is.
        images: (n, C, H, W), or films (n, T, C, H, W), float32, as the pipeline made them, without what a batch of
            several sizes pads them with.
        metas: upstream's ``img_metas`` of the first generation, a dict an image.
        samples: the data samples of the second, one an image; those who write into them take copies.
    """

    places: List[int]
    images: torch.Tensor
    metas: List[Dict[str, Any]]
    samples: Sequence[Any] = ()


@dataclass(frozen=True)
class Batch:
    """A batch of a test set.

    Attributes:
        count: how many images it has.
        groups: these, by their size.
        content: the batch as the loader gave it, for metrics that ask for it; None in the first generation.
    """

    count: int
    groups: List[Group]
    content: Any = None


class Tally:
    """The results of one model, and what they score.

    Attributes:
        metrics: names of what is evaluated, empty for nothing.
        options: what the metrics are told beside their names.
        results: what was found in each image, in the dataset's order once ``join`` has run; see ``Evaluation``.
    """

    metrics: Sequence[str] = ()
    options: Dict[str, Any] = {}
    results: List[Any] = []

    def check(self) -> None:
        """Refuse what can be refused before any image is run.

        Raises:
            InputError: a metric is unknown.
        """

    def add(self, batch: Batch, found: List[Any]) -> None:
        """Take the results of a batch, an image each, in the batch's order."""
        raise NotImplementedError

    @property
    def part(self) -> Any:
        """What this process has taken, to be sent to the first one."""
        raise NotImplementedError

    def join(self, parts: List[Any], count: int) -> None:
        """Put the parts of all processes together.

        Args:
            parts: in the order of the processes, each of which had every n-th image.
            count: the dataset's images.
        """
        raise NotImplementedError

    def limit(self) -> None:
        """Score the images alone that there are results of, where a metric counts the others of the set as missed."""

    def format(self) -> None:
        """Write the results as a test server takes them.

        Raises:
            InputError: nobody knows how.
        """
        raise NotImplementedError

    def score(self) -> Tuple[Dict[str, Any], str]:
        """Upstream's figures by name, and what it printed.

        Raises:
            InputError: its evaluation fails.
        """
        raise NotImplementedError


class TestSets:
    """How the test sets of a generation are found in a config, built, loaded and scored."""

    def batch_size(self, config: Any) -> int:
        """The batch that upstream's test tools take of a config; ask before ``build``."""
        raise NotImplementedError

    def workers(self, config: Any) -> int:
        """The workers that upstream's test tools take of a config."""
        raise NotImplementedError

    def of_training(self, config: Any) -> Optional[Any]:
        """A config whose test set is the training set of this one, in the test pipeline; None if it has none."""
        raise NotImplementedError

    def is_fitted(self, config: Any, size: Optional[Size]) -> bool:
        """Whether images may have to be made smaller than the config says; ask before ``build``."""
        raise NotImplementedError

    def build(self, config: Any, name: str, size: Optional[Size]) -> Any:
        """The test set of a config.

        Args:
            config: may be changed.
            name: the config's, for messages.
            size: the greatest (height, width) of an image, None for no limit.

        Raises:
            InputError: there is none, its files are missing or wrong, or it has no image.
        """
        raise NotImplementedError

    def classes(self, dataset: Any) -> Tuple[Sequence[str], Sequence[Sequence[int]]]:
        """A dataset's class names, and (red, green, blue) of each; empty where it has none."""
        raise NotImplementedError

    def loader(self, config: Any, dataset: Any, indices: Sequence[int], batch_size: int, workers: int) -> Any:
        """Upstream's loader of some of a dataset's images, in their order."""
        raise NotImplementedError

    def batches(self, config: Any, dataset: Any, loader: Any) -> Iterator[Batch]:
        """The batches of a loader.

        Raises:
            InputError: an image cannot be read, or does not go through the pipeline.
        """
        raise NotImplementedError

    def tally(self, config: Any, dataset: Any, asked: Any) -> Tally:
        """What collects and scores the results of one model.

        Args:
            asked: the ``EvaluationSettings``.

        Raises:
            InputError: a metric or an option is unknown.
        """
        raise NotImplementedError


def palette_of(value: Any, classes: Sequence[str]) -> Sequence[Sequence[int]]:
    """A dataset's colours, if these are one a class."""
    return value if isinstance(value, (list, tuple)) and len(value) == len(classes) else ()
