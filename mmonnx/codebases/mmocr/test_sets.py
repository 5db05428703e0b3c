"""Test sets of mmocr: several with one pipeline."""

import copy
from typing import Any, Optional, Tuple

from ...evaluation import FirstSets


class TextSets(FirstSets):
    """See ``TestSets``."""

    def build(self, config: Any, name: str, size: Optional[Tuple[int, int]]) -> Any:
        """See ``TestSets.build``; a pipeline for several sets is given to each that has none."""
        test = config.get("data", {}).get("test")
        if isinstance(test, dict) and test.get("pipeline") and test.get("datasets"):
            _share(test, test.pop("pipeline"), bool(test.pop("force_apply", False)))
        return super().build(config, name, size)


def _share(test: Any, pipeline: Any, force: bool) -> None:
    several = isinstance(pipeline[0], (list, tuple))
    for number, part in enumerate(test["datasets"]):
        own = pipeline[number] if several else pipeline
        for one in part if isinstance(part, (list, tuple)) else [part]:
            if one.get("pipeline") is None or force:
                one["pipeline"] = copy.deepcopy(own)
