"""Test sets of mmocr: several with one pipeline, and pictures that are read in several turns."""

import copy
import os
from dataclasses import replace
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import torch

from ...environment import compat
from ...evaluation import Batch, FirstSets, Group
from ...runtime import boxes_of
from ...support import InputError


class TextSets(FirstSets):
    """See ``TestSets``."""

    def build(self, config: Any, name: str, size: Optional[Tuple[int, int]]) -> Any:
        """See ``TestSets.build``; a pipeline for several sets is given to each that has none."""
        test = config.get("data", {}).get("test")
        if isinstance(test, dict) and test.get("pipeline") and test.get("datasets"):
            _share(test, test.pop("pipeline"), bool(test.pop("force_apply", False)))
        return super().build(config, name, size)

    def loader(self, config: Any, dataset: Any, indices: Sequence[int], batch_size: int, workers: int) -> Any:
        """See ``TestSets.loader``.

        Raises:
            InputError: pictures with texts beside them are to be loaded together, as upstream's model joins their texts
                and its datasets do not part them again.
        """
        if hasattr(dataset, "compute_relation") and batch_size != 1:
            raise InputError(
                f"a batch of {batch_size} is none of {type(dataset).__name__}'s, which scores one picture at a time",
                "a batch of 1",
                "give --batch-size 1, or leave it out",
            )
        return super().loader(config, dataset, indices, batch_size, workers)

    def batches(self, config: Any, dataset: Any, loader: Any) -> Iterator[Batch]:
        """See ``TestSets.batches``.

        ``samples`` of a group are the turns of its picture, an image and a meta each, or what goes with the texts of
        each of its pictures, as upstream's models take it; ``drawn_boxes`` in its meta data are in pixels of these.
        """
        seen = _Seen(loader)
        for batch in super().batches(config, dataset, seen):
            if _RELATIONS in seen.content:
                pages = _pages(seen.content)
                yield replace(batch, groups=[_with_texts(dataset, group, pages) for group in batch.groups])
                continue
            turns = _turns(seen.content)
            if len(turns) > 1:
                batch = replace(batch, groups=[replace(group, samples=turns) for group in batch.groups])
            yield batch


_RELATIONS = "relations"
_OF_TEXTS = (_RELATIONS, "texts", "gt_bboxes")


def _pages(content: Any) -> List[Dict[str, torch.Tensor]]:
    """What goes with the texts of each picture of a batch."""
    rows = {name: [one for part in content[name].data for one in part] for name in _OF_TEXTS}
    return [dict(zip(rows, page)) for page in zip(*rows.values())]


def _with_texts(dataset: Any, group: Group, pages: Sequence[Dict[str, torch.Tensor]]) -> Group:
    known = {os.path.join(dataset.img_prefix, one["file_name"]): one["annotations"] for one in dataset.data_infos}
    metas = [{**meta, "drawn_boxes": boxes_of(known[meta["filename"]])} for meta in group.metas]
    return replace(group, metas=metas, samples=[pages[place] for place in group.places])


class _Seen:
    """A loader whose latest batch is kept."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self.content: Any = {}

    def __iter__(self) -> Iterator[Any]:
        with compat.old_numpy_names():  # which workers take with them
            rows = iter(self._loader)
        while True:
            with compat.old_numpy_names():
                content = next(rows, None)
            if content is None:
                return
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
