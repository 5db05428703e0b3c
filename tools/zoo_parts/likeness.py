"""Which configs are of one and the same model, so that what is found of one holds for the others."""

import json
from typing import Any, Dict, Iterable, Iterator, List, Sequence

from mmonnx.loading.config import read_config
from mmonnx.loading.images import test_pipeline
from mmonnx.support.errors import InputError

from .selection import CODEBASES, Entry, shape_of
from .sweep import Record

_TRAINING = {"train_cfg", "init_cfg", "pretrained"}
"""What of a model is for its training alone; its losses are not, since some change what the scores are."""


class Likeness:
    """Entries of a sweep, of which one of each model is swept.

    Args:
        entries: what is to be swept.
        known: results that there are already.

    Attributes:
        total: the number of entries.
        different: one entry of each model that there is not a result of.
    """

    def __init__(self, entries: Sequence[Entry], known: Sequence[Record]) -> None:
        self.total = len(entries)
        self.different: List[Entry] = []
        self._alike: Dict[str, List[Entry]] = {}
        first = {_key(Entry(one["codebase"], one["family"], one["config"])): one["config"] for one in known}
        for entry in entries:
            config = first.setdefault(_key(entry), entry.config)
            if config == entry.config:
                self.different.append(entry)
            else:
                self._alike.setdefault(config, []).append(entry)
        self._known = [record for record in known if record["config"] in self._alike]

    def with_alike(self, records: Iterable[Record]) -> Iterator[Record]:
        """The results, each with those of the entries with the same model behind it."""
        for record in self._known:
            yield from self._of_alike(record)
        for record in records:
            yield record
            yield from self._of_alike(record)

    def _of_alike(self, record: Record) -> Iterator[Record]:
        for entry in self._alike.get(record["config"], ()):
            name = {"family": entry.family, "config": entry.config}
            yield {**record, **name, "like": record.get("like", record["config"]), "seconds": 0.0}


def _key(entry: Entry) -> str:
    """A text that two configs have in common if the same is exported for both."""
    if entry.codebase not in CODEBASES or entry.codebase == "torchvision":
        return entry.config  # a config of the user's may do anything when it is read: its own process reads it
    try:
        config = read_config(entry.config)
    except InputError:  # the sweep itself tells why
        return entry.config
    content = (entry.codebase, shape_of(entry), _tested(config.model), config.get("test_cfg"), test_pipeline(config))
    return json.dumps(content, sort_keys=True, default=str)


def _tested(value: Any) -> Any:
    """A part of a model's config without what is for its training."""
    if isinstance(value, dict):
        return {key: _tested(item) for key, item in value.items() if key not in _TRAINING}
    return [_tested(item) for item in value] if isinstance(value, (list, tuple)) else value
