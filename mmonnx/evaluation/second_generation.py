"""Test sets of OpenMMLab 2.x: ``test_dataloader`` and ``test_evaluator`` of a config, by mmengine's own builders."""

import contextlib
import copy
import io
import logging
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from torch.utils.data import SequentialSampler, Subset

from ..loading import first_of, test_dataset
from ..support import InputError
from . import metrics
from .data import reason
from .evaluator import Evaluator
from .sets import Batch, Group, Size, Tally, TestSets, palette_of

_FILES = (
    "--cfg-options test_dataloader.dataset.data_root=... test_dataloader.dataset.ann_file=... "
    "test_dataloader.dataset.data_prefix.img=... test_evaluator.ann_file=... (mmdet), "
    "test_dataloader.dataset.data_root=... (mmpretrain)"
)


class SampleEvaluator(Evaluator):
    """What differs between codebases of the second generation.

    Attributes:
        preprocessor: the type of a data preprocessor that a config gives none of.
        dump: the metric that keeps results as upstream's ``tools/test.py --out`` writes them.
    """

    preprocessor = "mmengine.BaseDataPreprocessor"
    dump = "DumpResults"

    @property
    def sets(self) -> TestSets:
        """See ``Evaluator.sets``."""
        return SecondSets(self)

    def metric(self, name: str) -> Optional[Dict[str, Any]]:
        """The metric that a name of the first generation's ``--eval`` means; None for one that it does not know."""
        return None


class SecondSets(TestSets):
    """See ``TestSets``.

    Args:
        evaluator: what the codebase does differently.
    """

    def __init__(self, evaluator: SampleEvaluator) -> None:
        self._evaluator = evaluator

    def batch_size(self, config: Any) -> int:
        """See ``TestSets.batch_size``."""
        return int(_loader(config).get("batch_size") or 1)

    def workers(self, config: Any) -> int:
        """See ``TestSets.workers``."""
        return int(_loader(config).get("num_workers") or 0)

    def of_training(self, config: Any) -> Optional[Any]:
        """See ``TestSets.of_training``."""
        given, test = first_of(config.get("train_dataloader")), _loader(config)
        train = next(_parts(given.get("dataset") or []), None) if given else None
        pipeline = (test.get("dataset") or {}).get("pipeline")
        if not train or not pipeline:
            return None
        result = copy.deepcopy(config)
        kept = {name: value for name, value in dict(train).items() if name != "filter_cfg"}
        result.test_dataloader = {
            **copy.deepcopy(dict(test)),
            "dataset": {**copy.deepcopy(kept), "pipeline": copy.deepcopy(pipeline), "test_mode": True},
        }
        return result

    def is_fitted(self, config: Any, size: Optional[Size]) -> bool:
        """See ``TestSets.is_fitted``."""
        return self._evaluator.is_fitted(test_dataset(config).get("pipeline") or (), size)

    def build(self, config: Any, name: str, size: Optional[Size]) -> Any:
        """See ``TestSets.build``."""
        from mmengine.registry import DATASETS

        settings = copy.deepcopy(_loader(config).get("dataset"))
        if not settings:
            raise InputError(
                f"config {name!r} has no test_dataloader with a dataset", "a dataset to test on", "give one with it"
            )
        for part in _parts(settings):
            if part.get("pipeline"):
                part["pipeline"] = self._evaluator.pipeline(part["pipeline"], size)
        try:
            with self._scope(config), quiet_log():
                dataset = DATASETS.build(settings)
                getattr(dataset, "full_init", lambda: None)()
        except Exception as error:  # a dataset raises whatever its own code raises
            raise InputError(
                f"the test set of config {name!r} cannot be built ({reason(error)})",
                "the files that test_dataloader.dataset names",
                f"put them there, or name others: {_FILES}",
            ) from error
        if not len(dataset):
            raise InputError(
                f"the test set of config {name!r} has no image", "one or more", "check what test_dataloader names"
            )
        return dataset

    def classes(self, dataset: Any) -> Tuple[Sequence[str], Sequence[Sequence[int]]]:
        """See ``TestSets.classes``."""
        known = getattr(dataset, "metainfo", None) or {}
        classes = tuple(known.get("classes") or ())
        return classes, palette_of(known.get("palette"), classes)

    def loader(self, config: Any, dataset: Any, indices: Sequence[int], batch_size: int, workers: int) -> Any:
        """See ``TestSets.loader``.

        Upstream's sampler is not taken: it repeats images to make the shares of several processes equal.
        """
        from mmengine.runner import Runner

        part = Subset(dataset, indices)
        settings = {"dataset": part, "sampler": SequentialSampler(part), "batch_size": batch_size}
        collate = _loader(config).get("collate_fn")
        more = {"collate_fn": copy.deepcopy(collate)} if collate else {}
        with self._scope(config):
            return Runner.build_dataloader({**settings, "num_workers": workers, **more})

    def batches(self, config: Any, dataset: Any, loader: Any) -> Iterator[Batch]:
        """See ``TestSets.batches``."""
        prepare, folders = self._preprocessor(config), _folders(dataset)
        batches = iter(loader)
        while True:
            try:
                with quiet_log():
                    content = next(batches)
            except StopIteration:
                return
            except Exception as error:  # the pipeline raises whatever its own code raises
                raise InputError(
                    f"an image of the test set cannot be loaded ({reason(error)})",
                    "the images that the annotations name, and the config's own pipeline",
                    f"put them there, or name another folder: {_FILES}",
                ) from error
            yield Batch(len(content["inputs"]), _groups(content, prepare, folders), content)

    def tally(self, config: Any, dataset: Any, asked: Any) -> Tally:
        """See ``TestSets.tally``."""
        with self._scope(config):
            return metrics.build(self._evaluator, config, dataset, asked)

    def _scope(self, config: Any) -> Any:
        """Names of types without a package's are those of the config's own."""
        from mmengine.registry import DefaultScope

        return DefaultScope.overwrite_default_scope(config.get("default_scope") or self._evaluator.package)

    def _preprocessor(self, config: Any) -> Any:
        """The data preprocessor that the config's model has."""
        from mmengine.registry import MODELS

        given = config.model.get("data_preprocessor") or config.get("data_preprocessor") or {}
        with self._scope(config):
            return MODELS.build({"type": self._evaluator.preprocessor, **copy.deepcopy(dict(given))})


@contextlib.contextmanager
def quiet_log() -> Iterator[io.StringIO]:
    """Keep what mmengine's logger and ``print`` say to themselves; it is in what is given."""
    from mmengine.logging import MMLogger

    said = io.StringIO()
    logger = MMLogger.get_current_instance()
    handlers, logger.handlers = logger.handlers, [logging.StreamHandler(said)]
    try:
        with contextlib.redirect_stdout(said):
            yield said
    finally:
        logger.handlers = handlers


def _loader(config: Any) -> Any:
    return first_of(config.get("test_dataloader"))


def _parts(settings: Any) -> Iterator[Any]:
    """The datasets that a config's wrappers hold."""
    for part in settings if isinstance(settings, (list, tuple)) else [settings]:
        inner = part.get("datasets") or part.get("dataset")
        if inner:
            yield from _parts(inner)
        else:
            yield part


def _folders(dataset: Any) -> List[str]:
    """Where the pictures of a set lie, those further down first."""
    inner = getattr(dataset, "datasets", None) or [getattr(dataset, "dataset", None)]
    found = [folder for part in inner if part is not None for folder in _folders(part)]
    prefixes = (getattr(dataset, "data_prefix", None) or {}).values()
    own = [prefix for prefix in prefixes if isinstance(prefix, str) and prefix]
    return sorted({*found, *own}, key=len, reverse=True)


def _groups(content: Any, prepare: Any, folders: Sequence[str]) -> List[Group]:
    """The images of a batch by their size, as the data preprocessor makes them."""
    images, samples = list(content["inputs"]), list(content["data_samples"])
    places: Dict[Any, List[int]] = {}
    for place, (image, sample) in enumerate(zip(images, samples)):
        known = sample.metainfo
        sizes = tuple(tuple(known[key]) for key in ("img_shape", "border") if known.get(key) is not None)
        places.setdefault((tuple(image.shape), sizes), []).append(place)
    found = []
    for chosen in places.values():
        given = {
            "inputs": [images[place] for place in chosen],
            "data_samples": [copy.deepcopy(samples[place]) for place in chosen],
        }
        made = prepare(given, False)
        metas = [_meta(sample, folders) for sample in made["data_samples"]]
        found.append(Group(chosen, made["inputs"].float(), metas, made["data_samples"]))
    return found


def _meta(sample: Any, folders: Sequence[str]) -> Dict[str, Any]:
    """What a data sample says of its image, in the terms of the first generation."""
    known = dict(sample.metainfo)
    name = known.get("img_path")
    inside = next((folder for folder in folders if name and Path(folder) in Path(name).parents), None)
    meta = {
        **known,
        "filename": name,
        "ori_filename": str(Path(name).relative_to(inside)) if name and inside else name,
        "scale_factor": np.asarray(tuple(known.get("scale_factor") or (1.0, 1.0)) * 2, np.float32),
    }
    if known.get("ori_shape") is not None and known.get("img_shape") is not None:
        # padding of the pipeline is a part of img_shape here
        shares = zip(known["ori_shape"], tuple(known.get("scale_factor") or (1.0, 1.0))[::-1], known["img_shape"])
        meta["picture_shape"] = tuple(min(round(side * scale), whole) for side, scale, whole in shares)
    return meta
