"""Test sets of mmedit: pictures one by one, with what belongs to them, and metrics that are the model's."""

from typing import Any, Dict, Iterator, List, Sequence, Tuple

import torch

from ...environment import compat
from ...evaluation import Batch, FirstSets, Group, Tally, merged, reason
from ...support import InputError, type_and_line

_NAMES = ("lq_path", "merged_path", "gt_img_path", "gt_path", "target_path")
"""What may say where a picture is."""
_SCORES = "eval_result"


class EditSets(FirstSets):
    """See ``TestSets``."""

    def classes(self, dataset: Any) -> Tuple[Sequence[str], Sequence[Sequence[int]]]:
        """None: pictures have no classes."""
        return (), ()

    def batches(self, config: Any, dataset: Any, loader: Any) -> Iterator[Batch]:
        """See ``TestSets.batches``; the sample of a group is what upstream's model is called with."""
        rows = iter(loader)
        while True:
            try:
                content = next(rows)
            except StopIteration:
                return
            except Exception as error:  # the pipeline raises whatever its own code raises
                raise InputError(
                    f"an image of the test set cannot be loaded ({reason(error)})",
                    "the images of data.test, and the config's own pipeline",
                    "put them there, or name other folders with --cfg-options",
                ) from error
            metas = content["meta"].data[0]
            yield Batch(len(metas), [_group(content, place, meta) for place, meta in enumerate(metas)])

    def tally(self, config: Any, dataset: Any, asked: Any) -> Tally:
        """See ``TestSets.tally``; without metrics those of the config count."""
        known = (config.get("test_cfg") or {}).get("metrics") or ()
        return _EditTally(config, dataset, [*(asked.metrics or known)])


def _group(content: Dict[str, Any], place: int, meta: Dict[str, Any]) -> Group:
    data = {name: value[place : place + 1] for name, value in content.items() if isinstance(value, torch.Tensor)}
    image = next(value for value in data.values() if value.dim() >= 4)
    path = next((str(meta[name]) for name in _NAMES if name in meta), "")
    return Group([place], image, [{"filename": path}], [{**data, "meta": [meta]}])


class _EditTally(Tally):
    """See ``Tally``: the scores of each picture, of which the dataset makes means."""

    def __init__(self, config: Any, dataset: Any, metrics: List[str]) -> None:
        self.metrics, self.options, self.results = metrics, {}, []
        self._config, self._dataset = config, dataset

    def check(self) -> None:
        """See ``Tally.check``.

        Raises:
            InputError: the model knows no metrics, or not these.
        """
        kind = compat.model_type("mmedit", "MODELS", self._config.model.type)
        known = list(getattr(kind, "allowed_metrics", getattr(kind, "_eval_metrics", ())))
        wrong = [name for name in self.metrics if name not in known]
        if wrong or not self.metrics:
            raise InputError(
                f"metric {wrong[0]!r} is unknown to {kind.__name__}" if wrong else f"{kind.__name__} has no metrics",
                ", ".join(known) or "a restorer, an inpaintor or a mattor",
                "give one of its own with --eval",
            )

    def add(self, batch: Batch, found: List[Any]) -> None:
        """See ``Tally.add``."""
        self.results += [{_SCORES: one[_SCORES]} for one in found]

    @property
    def part(self) -> Any:
        """See ``Tally.part``."""
        return self.results

    def join(self, parts: List[Any], count: int) -> None:
        """See ``Tally.join``."""
        self.results = merged(parts, count)

    def format(self) -> None:
        """See ``Tally.format``.

        Raises:
            InputError: mmedit has no test servers.
        """
        raise InputError("mmedit knows no --format-only", "--eval METRIC or --out FILE", "leave it out")

    def score(self) -> Tuple[Dict[str, Any], str]:
        """See ``Tally.score``."""
        try:
            return dict(self._dataset.evaluate(self.results)), ""
        except Exception as error:  # a dataset raises whatever its own code raises
            raise InputError(
                f"{type(self._dataset).__name__} cannot evaluate ({type_and_line(error)[:300]})",
                "a test set that evaluates images",
                "give another config",
            ) from error
