"""Toolboxes of OpenMMLab 1.x whose configs are not exported: why, and what of their models can be."""

import importlib
import importlib.util
from typing import Any, Optional

from ..support import InputError

_ASK = "give the module to mmonnx.export (docs/coverage-others.md)"
_REASONS = {
    "mmselfsup": (
        "its models learn without labels, and say nothing of a picture",
        "a classifier of mmcls with the backbone that was learnt, or that backbone by itself",
    ),
    "mmfewshot": (
        "what its models find depends on the pictures of each class that they are shown beside it",
        "a model of mmdet or mmcls, or a backbone by itself",
    ),
    "mmtrack": (
        "its models follow things from frame to frame, in Python",
        "the detector that it follows by, as a config of mmdet's, or a backbone by itself",
    ),
    "mmflow": (
        "its models take two pictures, and have no test pipeline that mmonnx knows",
        "the network of one, such as RAFT or PWC-Net, as a module",
    ),
    "mmgen": ("its models make pictures of random numbers", "a generator, as a module"),
    "mmdet3d": (
        "its models take points and voxels, for whose sparse convolutions ONNX has no operators",
        "what of one takes pictures or maps, as a module",
    ),
}
"""By the names of the packages: why, and what is taken in their place."""


def refuse_other(config: str) -> None:
    """Refuse a config of a toolbox that is known and not exported, by its name ``PACKAGE::...``.

    Raises:
        InputError: it is one.
    """
    package = config.partition("::")[0]
    if "::" in config and package in _REASONS:
        raise _refused(config, package)


def refusal_of_type(config: str, settings: Any) -> Optional[InputError]:
    """What to say of a config whose model an installed toolbox has that is known and not exported; None for none."""
    package = next((one for one in _REASONS if _has(one, settings.model.type)), None)
    return None if package is None else _refused(config, package)


def _refused(config: str, package: str) -> InputError:
    why, instead = _REASONS[package]
    return InputError(f"config {config!r} is of {package}: {why}", instead, _ASK)


def _has(package: str, name: Any) -> bool:
    """Whether a registry of an installed package's models has something of a name."""
    if not isinstance(name, str) or importlib.util.find_spec(package) is None:
        return False
    try:
        builder = importlib.import_module(f"{package}.models.builder")
        importlib.import_module(f"{package}.models")
    except Exception:  # of a release that does not work here, whatever its own code raises
        return False
    return any(name in getattr(registry, "module_dict", ()) for registry in vars(builder).values())
