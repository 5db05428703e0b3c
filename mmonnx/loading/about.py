"""What a config and a checkpoint say about a model beyond its weights: class names, colours, the test pipeline."""

import pprint
import re
from pathlib import Path
from types import FunctionType
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from ..runtime import drawing, from_config
from .images import find_transform, test_pipeline
from .second_generation import is_of_second, names_of
from .task import Task

AUGMENTED = "the config asks for test-time augmentation"
"""What a note of it begins with."""
_SUPPRESSION = re.compile(r"mmcv\.ops\.(?:nms\.)?(nms|soft_nms)")
"""Functions that mmcv takes from a lazy config as they are, and by a name that it evaluates where it defines them."""


def describe(task: Task, config: Any, meta: Mapping[str, Any], datasets: Any) -> None:
    """Let a task know what its file is to say of itself.

    Args:
        task: is changed.
        config: the model's.
        meta: the checkpoint's meta data, may be empty.
        datasets: the codebase's registry of datasets, whose classes carry their names.
    """
    classes, palette = _names(config, meta, datasets)
    task.classes, task.palette = classes, palette
    transforms = [_plain(step) for step in test_pipeline(config)]
    task.pipeline = from_config(transforms, task.channels) if transforms else None
    asked = augmentation(config)
    if asked:
        task.notes.append(f"{AUGMENTED} ({asked}): the file is, and is compared with, one pass")
    test_cfg = first_test_cfg(config.model.get("test_cfg") or config.get("test_cfg"))
    task.mask_thr = float((test_cfg.get("rcnn") or test_cfg).get("mask_thr_binary") or 0.5)


def first_test_cfg(given: Any) -> Mapping[str, Any]:
    """A model's ``test_cfg``; of one for each of several heads, as Co-DETR has them, that of its own queries."""
    found = given[0] if isinstance(given, (list, tuple)) and given else given
    return found if isinstance(found, dict) else {}


def augmentation(config: Any) -> str:
    """What a config wants an image to be run as beside itself, and the answers to be merged of; empty for nothing."""
    step = find_transform(test_pipeline(config), "MultiScaleFlipAug") or {}
    names = ("img_scale", "scale_factor", "img_ratios")
    scales: Sequence[Any] = next((step[name] for name in names if isinstance(step.get(name), list)), [])
    found = [f"{len(scales)} scales"] if len(scales) > 1 else []
    test_cfg = first_test_cfg(config.model.get("test_cfg"))  # mmpose's has it there
    found += ["flipped copies"] if step.get("flip") or test_cfg.get("flip_test") else []
    return ", ".join(found)


def config_text(config: Any) -> str:
    """A config as Python that mmcv reads back, all its bases and overrides merged.

    A lazy one has its types by their paths, as mmengine writes them.
    """
    plain = _plain(config.to_dict())
    return "".join(f"{name} = {pprint.pformat(value, width=119)}\n" for name, value in plain.items())


def _names(config: Any, meta: Mapping[str, Any], datasets: Any) -> Tuple[Sequence[str], Sequence[Sequence[int]]]:
    """Class names and colours: the checkpoint's, else the config's own, else those of its dataset."""
    own, of_config, of_dataset = (names_of if is_of_second(config) else _names_of_first)(config, meta, datasets)
    classes = own.get("classes") or of_config.get("classes") or of_dataset.get("classes") or ()
    if isinstance(classes, str):  # a file with a name a line
        classes = Path(classes).read_text(encoding="utf-8").splitlines() if Path(classes).is_file() else ()
    classes = tuple(str(name) for name in classes)
    palette = own.get("palette") or of_config.get("palette") or of_dataset.get("palette") or ()
    # the dataset's own colours are of no use to other classes
    fit = not isinstance(palette, str) and len(palette) == len(classes)
    return classes, [_color(number, color) for number, color in enumerate(palette)] if fit else []


def _color(number: int, color: Optional[Sequence[Any]]) -> List[int]:
    """(red, green, blue) of a class; a dataset may have numbers without a class, and no colour for these."""
    return [int(value) for value in (drawing.color_of(number)[::-1] if color is None else color)]


def _names_of_first(config: Any, meta: Mapping[str, Any], datasets: Any) -> Tuple[Mapping[str, Any], ...]:
    """What the checkpoint of a model of 1.x, its config and its dataset say of ``classes`` and ``palette``."""
    test = config.get("data", {}).get("test", {})
    test = test[0] if isinstance(test, (list, tuple)) and test else test
    dataset = datasets.get(test.get("type")) if isinstance(test.get("type"), str) else None
    own = {name: meta.get(name.upper()) for name in ("classes", "palette")}
    return own, test, {name: getattr(dataset, name.upper(), None) for name in own}


def _plain(value: Any) -> Any:
    """The same without mmcv's own types, and with paths in the place of classes and functions."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (type, FunctionType)):
        value = f"{value.__module__}.{value.__qualname__}"
    suppression = _SUPPRESSION.fullmatch(value) if isinstance(value, str) else None
    if suppression:
        return suppression.group(1)
    return type(value)(_plain(item) for item in value) if isinstance(value, (list, tuple)) else value
