"""What a running training tells about the model's input, at training and at tests."""

import contextlib
from types import SimpleNamespace
from typing import Any, Dict, Iterator, List, Optional, Sequence

from mmcv import Config

_NAMES = ("CLASSES", "PALETTE")


def find_norm(source: Any) -> Optional[Dict[str, Any]]:
    """The ``Normalize`` transform of a data loader's or a dataset's pipeline as a config has it; None if there is none.

    Args:
        source: a data loader, mmcv's ``IterLoader``, or a dataset, whatever datasets it may wrap.
    """
    for dataset in _datasets(source):
        for step in getattr(getattr(dataset, "pipeline", None), "transforms", ()):
            if type(step).__name__ == "Normalize":
                # frames of films are read as RGB, and may be made BGR
                to_rgb = step.to_rgb if hasattr(step, "to_rgb") else not step.to_bgr
                return dict(type="Normalize", mean=step.mean, std=step.std, to_rgb=to_rgb)
            if type(step).__name__ == "NormalizeTensor":  # mmpose's, behind what brings pictures to 0 to 1
                mean, std = ([255.0 * float(value) for value in values] for values in (step.mean, step.std))
                return dict(type="Normalize", mean=mean, std=std, to_rgb=True)
    return None


def find_config(runner: Any) -> Optional[Any]:
    """The training's own whole config, which upstream's ``tools/train.py`` hand to the runner; None if nobody did."""
    text = (runner.meta or {}).get("config")
    with contextlib.suppress(Exception):  # whatever a text raises that is not a config
        config = Config.fromstring(text, ".py") if text else None
        return config if config and isinstance(config.get("model"), dict) else None
    return None


def config_of_tests(runner: Any) -> Any:
    """A config of what the evaluation's dataset does alone; empty where the training does not evaluate."""
    for hook in runner.hooks:
        for dataset in _datasets(getattr(hook, "dataloader", None)):
            transforms = getattr(getattr(dataset, "pipeline", None), "transforms", ())
            if transforms:
                test = dict(type=type(dataset).__name__, pipeline=_as_config(transforms))
                return Config(dict(model=dict(), data=dict(test=test)))
    return Config(dict(model=dict()))


def names_of(runner: Any, model: Any) -> Dict[str, Any]:
    """Class names and colours as a checkpoint's meta data hold them: the model's, the runner's or the dataset's."""
    given = SimpleNamespace(**(runner.meta or {}))
    sources = [model, given, *_datasets(runner.data_loader)]
    return {name: next(filter(None, (getattr(one, name, None) for one in sources)), None) for name in _NAMES}


def _datasets(source: Any) -> Iterator[Any]:
    """A loader or a dataset, and the ones inside it."""
    if source is None:
        return
    yield source
    for part in [getattr(source, name, None) for name in ("_dataloader", "dataset")]:
        yield from _datasets(part)
    for part in getattr(source, "datasets", None) or ():
        yield from _datasets(part)


def _as_config(transforms: Sequence[Any]) -> List[Dict[str, Any]]:
    """Built transforms as a config has them: upstream's keep what they were built with under the same names."""
    found = []
    for transform in transforms:
        step = {"type": type(transform).__name__, **getattr(transform, "__dict__", {})}
        if step["type"] == "MultiScaleFlipAug":
            step["transforms"] = _as_config(transform.transforms.transforms)
            if step.pop("scale_key") == "scale_factor":
                step["scale_factor"] = step.pop("img_scale")
        found.append(step)
    return found
