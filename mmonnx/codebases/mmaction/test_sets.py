"""Test sets of mmaction2: films, of which each is the clips that the test pipeline takes of it."""

from typing import Any, Dict, Iterator, Optional, Tuple

import torch

from ...environment import compat
from ...evaluation import Batch, FirstSets, Group, reason
from ...support import InputError
from .pipelines import normalise_in_pipeline

_INPUTS = ("imgs", "keypoint", "audios", "raw_feature", "bsp_feature")
"""What the tensors of films, of skeletons, of sound, of features and of proposals' features are called."""


class FilmSets(FirstSets):
    """See ``TestSets``."""

    def batch_size(self, config: Any) -> int:
        """See ``TestSets.batch_size``; mmaction2 counts videos."""
        data = config.get("data", {})
        own = data.get("test_dataloader", {}).get("videos_per_gpu")
        return int(own or data.get("videos_per_gpu") or 1)

    def build(self, config: Any, name: str, size: Optional[Tuple[int, int]]) -> Any:
        """See ``TestSets.build``."""
        normalise_in_pipeline(config)
        return super().build(config, name, size)

    def batches(self, config: Any, dataset: Any, loader: Any) -> Iterator[Batch]:
        """See ``TestSets.batches``."""
        with compat.old_numpy_names():
            rows = iter(loader)
        while True:
            try:
                with compat.old_numpy_names():
                    content: Dict[str, Any] = next(rows)
            except StopIteration:
                return
            except Exception as error:  # the pipeline raises whatever its own code raises
                raise InputError(
                    f"a film of the test set cannot be loaded ({reason(error)})",
                    "the films that the annotations name, and what the config's own pipeline reads them with",
                    "put them there, or change data.test.pipeline (OpenCVInit and OpenCVDecode need nothing more)",
                ) from error
            films = next(content[name] for name in _INPUTS if name in content)
            samples = [_sample(content, place) for place in range(len(films))] if "video_meta" in content else []
            places, images = list(range(len(films))), torch.as_tensor(films).float()
            yield Batch(len(films), [Group(places, images, [{}] * len(films), samples)])


def _sample(content: Dict[str, Any], place: int) -> Dict[str, Any]:
    """What upstream's localizers are called with of one film."""
    found = {name: value[place : place + 1] for name, value in content.items() if isinstance(value, torch.Tensor)}
    return {**found, "video_meta": [content["video_meta"].data[0][place]]}
