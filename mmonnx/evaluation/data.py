"""The test set that a config of the first generation names, and its batches, by upstream's own builders."""

import contextlib
import copy
import inspect
import io
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Sequence, Tuple

import torch

from ..support import InputError
from .sets import Batch, Group

if TYPE_CHECKING:  # it knows the groups of images
    from .evaluator import Evaluator


def build_test_set(evaluator: "Evaluator", config: Any, name: str, size: Optional[Tuple[int, int]] = None) -> Any:
    """The dataset of ``data.test``, in test mode.

    Args:
        evaluator: the codebase's, an ``Evaluator``.
        config: is changed: images are to be collated with their own sizes.
        name: the config's, for messages.
        size: the greatest (height, width) of an image, None for no limit.

    Raises:
        InputError: there is no ``data.test``, its files are missing or wrong, or it has no image.
    """
    test = config.get("data", {}).get("test")
    if not test:
        raise InputError(f"config {name!r} has no data.test", "a dataset to test on", "give a config with one")
    datasets = evaluator.datasets()
    for part in _parts(test):
        part["test_mode"] = True
        part.pop("samples_per_gpu", None)
        if "pipeline" in part:
            part["pipeline"] = evaluator.pipeline(part["pipeline"], size)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools tells how long it reads
            dataset = datasets.build_dataset(test)
    except Exception as error:  # a dataset raises whatever its own code raises
        raise InputError(
            f"the test set of config {name!r} cannot be built ({reason(error)})",
            "the files that data.test names",
            "put them there, or name others: --cfg-options data.test.ann_file=... data.test.img_prefix=... (mmdet), "
            "data.test.data_prefix=... (mmcls)",
        ) from error
    if not len(dataset):
        raise InputError(f"the test set of config {name!r} has no image", "one or more", "check what data.test names")
    return dataset


def _parts(test: Any) -> Iterator[Any]:
    """The datasets that a config's wrappers hold."""
    for part in test if isinstance(test, (list, tuple)) else [test]:
        if isinstance(part, (list, tuple)):  # mmocr has lists of them for each pipeline
            yield from _parts(part)
            continue
        inner = part.get("datasets") or part.get("dataset")
        if inner:
            yield from _parts(inner)
        else:
            yield part


def of_training(config: Any) -> Optional[Any]:
    """A config whose test set is the training set of another, in the test pipeline; None if that has none."""
    sets = config.get("data", {})
    train, test = next(_parts(sets.get("train") or []), None), next(_parts(sets.get("test") or []), None)
    if not train or not test or "pipeline" not in test:
        return None
    result = copy.deepcopy(config)
    result.data.test = {**copy.deepcopy(dict(train)), "pipeline": copy.deepcopy(test["pipeline"])}
    return result


def batch_size_of(evaluator: "Evaluator", config: Any) -> int:
    """The batch that upstream's test tools take of a config; ask before ``build_test_set``."""
    data = config.get("data", {})
    sizes = [part.get("samples_per_gpu", 0) for part in _parts(data.get("test") or [])]
    asked = data.get("test_dataloader", {}).get("samples_per_gpu") or max(sizes, default=0)
    return int(asked or (data.get("samples_per_gpu") if evaluator.batch_of_training else None) or 1)


def workers_of(config: Any) -> int:
    """The workers that upstream's test tools take of a config."""
    data = config.get("data", {})
    found = data.get("test_dataloader", {}).get("workers_per_gpu", data.get("workers_per_gpu"))
    return int(found or 0)


def build_loader(evaluator: "Evaluator", dataset: Any, indices: Sequence[int], batch_size: int, workers: int) -> Any:
    """Upstream's loader of some of a dataset's images, in their order.

    Upstream's own way of sharing a set out among processes is not taken: it repeats images to make the shares equal,
    and some releases need a GPU for it.
    """
    build = evaluator.datasets().build_dataloader
    more: Dict[str, Any] = {"persistent_workers": False}  # newer ones ask for it without workers, which torch refuses
    known = inspect.signature(build).parameters
    more.update({name: False for name in ("pin_memory", "drop_last") if name in known})
    return build(torch.utils.data.Subset(dataset, indices), batch_size, workers, dist=False, shuffle=False, **more)


def read_batches(loader: Any) -> Iterator[Batch]:
    """The batches of a loader.

    Raises:
        InputError: an image cannot be read, or does not go through the pipeline.
    """
    batches = iter(loader)
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except Exception as error:  # the pipeline raises whatever its own code raises
            raise InputError(
                f"an image of the test set cannot be loaded ({reason(error)})",
                "the images that the annotations name, and the config's own pipeline",
                "put them there, or name another folder: --cfg-options data.test.img_prefix=... (mmdet), "
                "data.test.data_prefix=... (mmcls)",
            ) from error
        metas = _first_pass(batch["img_metas"])
        yield Batch(len(metas), _groups(_first_pass(batch["img"]), metas))


def _first_pass(value: Any) -> Any:
    """What a collated batch holds, of the first pass alone if the pipeline makes several (flipped, at more scales)."""
    while isinstance(value, (list, tuple)):
        value = value[0]
    return value if isinstance(value, torch.Tensor) else value.data[0]


def _groups(images: torch.Tensor, metas: List[Dict[str, Any]]) -> List[Group]:
    """The images of a batch by their size; where padding begins is part of it, since a file is told one such place."""
    places: Dict[Any, List[int]] = {}
    for place, meta in enumerate(metas):
        sizes = tuple(tuple(meta[key]) for key in ("pad_shape", "img_shape", "border") if meta.get(key) is not None)
        places.setdefault(sizes, []).append(place)
    found = []
    for chosen in places.values():
        height, width = _size(metas[chosen[0]], images)
        found.append(Group(chosen, images[chosen, ..., :height, :width].float(), [metas[place] for place in chosen]))
    return found


def _size(meta: Dict[str, Any], images: torch.Tensor) -> Tuple[int, int]:
    """(height, width) of an image with the padding of its own pipeline."""
    height, width = (meta.get("pad_shape") or images.shape[-2:])[:2]
    return int(height), int(width)


def is_fitted(evaluator: "Evaluator", config: Any, size: Optional[Tuple[int, int]]) -> bool:
    """Whether images may have to be made smaller than the config says; ask before ``build_test_set``."""
    parts = _parts(config.get("data", {}).get("test", []))
    return any(evaluator.is_fitted(part.get("pipeline", ()), size) for part in parts)


def reason(error: Exception) -> str:
    """An error in a line; of one out of a worker, which has its traceback in the message, the last line."""
    lines = str(error).strip().splitlines() or [""]
    if lines[0].startswith("Caught "):
        return lines[-1][:300]
    return f"{type(error).__name__}: {lines[0]}"[:300]
