"""The two generations of OpenMMLab's toolboxes: 1.x on mmcv alone, 2.x on mmengine."""

import importlib
from typing import Any, Iterator

from .refusals import newest_mmcv_taken
from .versions import installed_version, version_tuple

MOVED = {
    "mmcls.": "mmpretrain.",
    "mmdet.core.bbox.coder.": "mmdet.models.task_modules.coders.",
    "mmdet.core.bbox.iou_calculators.iou2d_calculator.": "mmdet.structures.bbox.bbox_overlaps.",
    "mmdet.core.bbox.transforms.": "mmdet.structures.bbox.transforms.",
    "mmdet.core.evaluation.": "mmdet.evaluation.functional.",
    "mmdet.core.post_processing.merge_augs.": "mmdet.models.test_time_augs.merge_augs.",
    "mmdet.core.post_processing.": "mmdet.models.layers.",
    "mmdet.core.utils.misc.": "mmdet.models.utils.misc.",
    "mmdet.models.plugins.": "mmdet.models.layers.",
    "mmdet.models.utils.transformer.inverse_sigmoid": "mmdet.models.layers.transformer.utils.inverse_sigmoid",
}
"""Where 2.x has what 1.x has elsewhere and that is otherwise as it was, by the beginning of its dotted path."""


def is_second_generation() -> bool:
    """Whether what is installed is OpenMMLab 2.x: its configs and registries are mmengine's."""
    version = installed_version("mmcv")
    return version is not None and version_tuple(version) >= (2,)


def metrics_in_configs() -> bool:
    """Whether a config has the metrics of its test set, so that none has to be named for it to be scored: 2.x."""
    return is_second_generation()


def paths_of(path: str) -> Iterator[str]:
    """The dotted paths that a function of 1.x may have: its own, and that of 2.x where that is another."""
    yield path
    start = max((old for old in MOVED if path.startswith(old)), key=len, default=None)
    if start is not None:
        yield MOVED[start] + path[len(start) :]


def upstream(path: str) -> Any:
    """The function or class of a dotted path of 1.x, from wherever the installed generation has it.

    Raises:
        ImportError: neither has it.
    """
    for candidate in paths_of(path):
        owner, _, name = candidate.rpartition(".")
        try:
            return getattr(importlib.import_module(owner), name)
        except (ImportError, AttributeError):
            continue
    raise ImportError(f"{path} is in no release that mmonnx knows")


def config_type() -> Any:
    """The class that reads configs: mmengine's in 2.x, mmcv's in 1.x."""
    return importlib.import_module("mmengine" if is_second_generation() else "mmcv").Config


def model_type(package: str, registry: str, name: Any) -> Any:
    """What a package of OpenMMLab's has registered under the ``type`` of a config's model; None for nothing.

    Args:
        package: which is imported.
        registry: in which 1.x has its models; 2.x has one, ``MODELS``.
        name: the ``type``; a lazy config of 2.x has the class itself.
    """
    try:
        with newest_mmcv_taken():
            importlib.import_module(f"{package}.models")
        found = models_of(package, registry)
    except (ImportError, AttributeError):  # AttributeError: another release may lack the registry
        return None
    return found.get(name) if isinstance(name, str) else name


def kind_of(value: Any) -> str:
    """The name of a ``type`` in a config, without the scope before it; a lazy config has the class or function."""
    name = value if isinstance(value, str) else getattr(value, "__name__", str(value))
    return name.rpartition(".")[2]


def models_of(package: str, registry: str) -> Any:
    """The registry of the models of an imported package, and of their parts.

    Args:
        registry: the one of 1.x, in ``PACKAGE.models.builder``; 2.x has one, ``MODELS``.

    Raises:
        ImportError: there is no such package.
        AttributeError: it has no such registry.
    """
    if is_second_generation():
        return importlib.import_module(f"{package}.registry").MODELS
    return getattr(importlib.import_module(f"{package}.models.builder"), registry)


def build_of_second(package: str, config: Any) -> Any:
    """The model of a config of 2.x, built by the registry of an installed package and in the config's own scope.

    Args:
        config: its ``model`` gets the data preprocessor that stands beside it, as mmengine's Runner does it.
    """
    registry = importlib.import_module("mmengine.registry")
    if config.get("data_preprocessor"):
        config.model.setdefault("data_preprocessor", config.data_preprocessor)
    with registry.DefaultScope.overwrite_default_scope(config.get("default_scope", package)):
        return models_of(package, "MODELS").build(config.model)


def revert_sync_batchnorm(model: Any) -> Any:
    """A model with ordinary batch norms in the place of synchronised ones, by upstream's own function."""
    home = "mmengine.model" if is_second_generation() else "mmcv.cnn.utils"
    return importlib.import_module(home).revert_sync_batchnorm(model)
