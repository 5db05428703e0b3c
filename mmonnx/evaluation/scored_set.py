"""A config's test set, on which several files of one model are scored, one after the other."""

import contextlib
import copy
import os
import warnings
from typing import Any, Dict, Iterator, List, Optional, Sequence

import numpy as np

from ..loading import read
from ..runtime import DEFAULT_RUNTIME
from ..support import InputError, alone
from .evaluator import Evaluator
from .file import OnnxFile
from .settings import EvaluationSettings

Feeds = Dict[str, np.ndarray]

_PER_IMAGE = ("data_infos", "img_infos", "img_ids", "proposals", "flag")
"""What datasets of the first generation keep an item an image of."""


class ScoredSet:
    """Some images of a test set, in the pipeline of the config, and its metrics.

    Args:
        config: as for an export.
        file: a file of the model, whichever form of it; of its fixed size, images are resized to fit.
        cfg_options: overrides of the config.
        of_training: the images of the training set in the place of those of the test set; prepared as for a test.
        most: the greatest number of images, evenly spread over the set.
        without: leave the images out that a set of so many, spread in the same way, has.
        metrics: as ``EvaluationSettings`` has them; none for those of the config.

    Attributes:
        title: what the images are of.
        places: the images' places in the set.

    Raises:
        InputError: there is no such set, its files are missing, or it has no image.
    """

    def __init__(
        self,
        config: str,
        file: str,
        cfg_options: Optional[Dict[str, Any]] = None,
        of_training: bool = False,
        most: int = 200,
        without: int = 0,
        metrics: Sequence[str] = (),
    ) -> None:
        with _calm():
            owner, settings = read(config, dict(cfg_options or {}))
            self._evaluator: Evaluator = owner.evaluator()
            sets = self._evaluator.sets
            self._config = sets.of_training(settings) if of_training else settings
            if self._config is None:
                raise InputError(f"config {config!r} names no training set", "data.train", "give a folder of pictures")
            size = OnnxFile(file).size
            self._batch = sets.batch_size(self._config)
            self._dataset = sets.build(self._config, config, size)
            left = len(self._dataset)
            apart = set(_spread(left, without)) if without else set()
            free = [place for place in range(left) if place not in apart]
            if not free:
                raise InputError(
                    f"the test set of config {config!r} has {left} images, all of which ranges are taken of",
                    "images to measure on beside them",
                    f"give --calibrate {max(left // 2, 1)}, or a folder with --images",
                )
            self.places = [free[place] for place in _spread(len(free), most)]
        self.title = f"the {'training' if of_training else 'test'} set of {config} ({type(self._dataset).__name__})"
        self._asked = EvaluationSettings(config, file, metrics or self._evaluator.usual_metrics(self._config))

    def __len__(self) -> int:
        return len(self.places)

    def score(self, path: str, runtime: str = DEFAULT_RUNTIME) -> Dict[str, float]:
        """A file's figures in a runtime, by upstream's names.

        Raises:
            InputError: it does not give what the metrics need, or an image cannot be read.
        """
        sets, file = self._evaluator.sets, OnnxFile(path, runtime=runtime)
        with _calm():
            classes = len(sets.classes(self._dataset)[0])
            dataset = _limited(self._dataset, self.places)
            tally = sets.tally(self._config, dataset, self._asked)
            self._evaluator.check(file, tally.metrics, tally.options, classes)
            run = self._evaluator.run_file(file, self._config, classes)
            for batch in self._batches(dataset, range(len(dataset)), self._batch):
                found: List[Any] = [None] * batch.count
                for group in batch.groups:
                    for place, result in zip(group.places, run(group)):
                        found[place] = result
                tally.add(batch, found)
            tally.join([tally.part], len(dataset))
            tally.limit()
            scores, _ = tally.score()
        return {name: float(value) for name, value in scores.items() if _is_figure(value)}

    def feeds(self, path: str, most: Optional[int] = None) -> List[Feeds]:
        """What a file takes of each image, or of some of them: all of its inputs."""
        taken: List[Feeds] = []
        file = OnnxFile(path, watch=taken.append)
        with _calm():
            sets = self._evaluator.sets
            classes = len(sets.classes(self._dataset)[0])
            run = self._evaluator.run_file(file, self._config, classes)
            for batch in self._batches(self._dataset, self._some(most)):
                for group in batch.groups:
                    run(group)
        return taken

    def pictures(self, most: int) -> List[str]:
        """The files of some of the pictures, as far as they are files."""
        with _calm():
            batches = self._batches(self._dataset, self._some(most))
            metas = [meta for batch in batches for group in batch.groups for meta in group.metas]
        return [str(meta["filename"]) for meta in metas if os.path.isfile(str(meta.get("filename")))]

    def _some(self, most: Optional[int]) -> List[int]:
        """The places of some of the images, or of all of them."""
        return self.places if most is None else [self.places[place] for place in _spread(len(self), most)]

    def _batches(self, dataset: Any, places: Sequence[int], size: int = 1) -> Iterator[Any]:
        sets = self._evaluator.sets
        return sets.batches(self._config, dataset, sets.loader(self._config, dataset, places, size, 0))


@contextlib.contextmanager
def _calm() -> Iterator[None]:
    with alone(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # upstream's code on newer releases of what it uses
        yield


def _is_figure(value: Any) -> bool:
    return not isinstance(value, str) and value is not None and np.ndim(value) == 0


def _spread(count: int, most: int) -> List[int]:
    """At most so many places of a number of them, evenly spread."""
    taken = min(count, most)
    return [place * count // taken for place in range(taken)]


def _limited(dataset: Any, places: List[int]) -> Any:
    """A dataset with some of its images alone, by which its own evaluation goes."""
    if places == list(range(len(dataset))):
        return dataset
    result = copy.copy(dataset)
    if hasattr(result, "get_subset"):  # of the second generation
        return result.get_subset(places)
    found = [name for name in _PER_IMAGE if _holds(getattr(result, name, None), len(dataset))]
    if not found:
        raise InputError(
            f"{type(dataset).__name__} cannot be scored on a part of its images",
            f"a dataset with {', '.join(_PER_IMAGE[:3])}",
            f"give --measure {len(dataset)}, and a folder of pictures with --images",
        )
    for name in found:
        values = getattr(result, name)
        chosen: Any = [values[place] for place in places]
        setattr(result, name, np.asarray(chosen) if isinstance(values, np.ndarray) else chosen)
    return result


def _holds(value: Any, count: int) -> bool:
    return isinstance(value, (list, tuple, np.ndarray)) and len(value) == count
