"""Test sets of mmocr: several with one pipeline, and pictures that are read in several turns."""

import copy
from dataclasses import replace
from typing import Any, Iterator, List, Optional, Tuple

import torch

from ...evaluation import Batch, FirstSets


class TextSets(FirstSets):
    """See ``TestSets``."""

    def build(self, config: Any, name: str, size: Optional[Tuple[int, int]]) -> Any:
        """See ``TestSets.build``; a pipeline for several sets is given to each that has none."""
        test = config.get("data", {}).get("test")
        if isinstance(test, dict) and test.get("pipeline") and test.get("datasets"):
            _share(test, test.pop("pipeline"), bool(test.pop("force_apply", False)))
        return super().build(config, name, size)

    def batches(self, config: Any, dataset: Any, loader: Any) -> Iterator[Batch]:
        """See ``TestSets.batches``; ``samples`` of a group are the turns of its picture, an image and a meta each."""
        seen = _Seen(loader)
        for batch in super().batches(config, dataset, seen):
            turns = _turns(seen.content)
            if len(turns) > 1:
                batch = replace(batch, groups=[replace(group, samples=turns) for group in batch.groups])
            yield batch


class _Seen:
    """A loader whose latest batch is kept."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self.content: Any = {}

    def __iter__(self) -> Iterator[Any]:
        for content in self._loader:
            self.content = content
            yield content


def _turns(content: Any) -> List[Tuple[torch.Tensor, Any]]:
    """Each image of a batch of one picture, with its meta data; none of other batches."""
    images, metas = content["img"], content["img_metas"]
    if not isinstance(images, list) or len(images) < 2 or not isinstance(images[0], torch.Tensor):
        return []
    return [(image, meta.data[0][0]) for image, meta in zip(images, metas)]


def _share(test: Any, pipeline: Any, force: bool) -> None:
    several = isinstance(pipeline[0], (list, tuple))
    for number, part in enumerate(test["datasets"]):
        own = pipeline[number] if several else pipeline
        for one in part if isinstance(part, (list, tuple)) else [part]:
            if one.get("pipeline") is None or force:
                one["pipeline"] = copy.deepcopy(own)
