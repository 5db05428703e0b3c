"""Finding and reading a config."""

import importlib.util
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any, Dict, List, Optional

from ..environment import compat
from ..support import InputError, command_line, config_root, syntax_trees
from .imports import found_in


def find_config(name: str) -> Path:
    """The file that a config argument means.

    Args:
        name: a path, or ``mmdet::folder/file.py``, ``mmcls::...`` for a config inside the installed package, or
            ``mmonnx::...`` for one of mmonnx's own.

    Raises:
        InputError: there is no such file.
    """
    if "::" not in name:
        path = Path(name)
        if not path.is_file():
            raise InputError(
                f"config {name!r} does not exist" if not path.exists() else f"config {name!r} is not a file",
                "a config file, or mmdet::FOLDER/FILE.py or mmcls::FOLDER/FILE.py for one inside the package",
                "check the path",
            )
        return path
    package, relative = name.split("::", 1)
    root = package_configs(package, name)
    path = root / relative
    if not path.is_file():
        alike = (found.relative_to(root) for found in root.rglob(f"{Path(relative).stem[:8]}*.py"))
        near = sorted(str(found) for found in alike if found.parts[0] != "_base_")[:3]
        hint = f"for example {', '.join(near)}" if near else f"one of the files below {package}::"
        raise InputError(f"config {name!r} is not in the installed {package}", hint, "check the name")
    return path


def base_config(name: str) -> str:
    """The path of a config, for ``_base_`` in a config of your own: mmcv knows no names of packages.

    Args:
        name: as for ``find_config``.

    Raises:
        InputError: there is no such file.
    """
    return str(find_config(name).resolve())


def package_configs(package: str, name: Optional[str] = None) -> Path:
    """The folder of an installed package's configs.

    Args:
        package: ``mmdet``, ``mmcls``, or ``mmonnx`` for its own.
        name: the config that is looked for, for messages.

    Raises:
        InputError: the package is not installed, carries none, or is not one of these.
    """
    name = name or f"{package}::"
    if package == "mmonnx":
        return config_root()
    known = _packages()
    if package not in known:
        expected = f"{', '.join(f'{each}::' for each in known)} or mmonnx::"
        raise InputError(f"config {name!r} names package {package!r}", expected, "check the name")
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise InputError(
            f"{package} is not installed",
            f"{package} with its configs",
            command_line("pip", "install", *compat.distributions(package)),
        )
    home = Path(spec.origin).parent
    for root in (home / ".mim" / "configs", home.parent / "configs"):
        if root.is_dir():
            return root
    raise InputError(
        f"the installed {package} carries no configs", f"{home / '.mim' / 'configs'}", "give the config's path instead"
    )


def _packages() -> List[str]:
    from .codebase import packages  # a codebase reads its configs with this module

    return packages()


_SUFFIXES = (".py", ".json", ".yaml", ".yml")
"""What mmcv reads configs from."""


def read_config(name: str, options: Optional[Dict[str, Any]] = None) -> Any:
    """Read a config into mmcv's or mmengine's ``Config``, with overrides, and import its ``custom_imports``.

    These modules may lie beside the config, or in the current folder.

    Args:
        name: as for ``find_config``.
        options: ``{"model.test_cfg.rcnn.score_thr": 0.1}`` and the like.

    Raises:
        InputError: the config does not exist, cannot be read, or has no model.
    """
    path = find_config(name)
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(
            f"config {name!r} is not a config",
            f"a file that ends in {', '.join(_SUFFIXES)}",
            "give the config first and the checkpoint behind it; what torch.jit has saved is exported in Python: "
            "mmonnx.export(torch.jit.load(...), ...)",
        )
    try:
        folder = str(path.resolve().parent)
        with found_in(folder, os.getcwd()), warnings.catch_warnings(), syntax_trees():
            warnings.simplefilter("ignore", SyntaxWarning)  # the error that follows says it
            config = compat.config_type().fromfile(str(path))
        if options:
            config.merge_from_dict(options)
    except Exception as error:  # a config is Python: anything can be raised
        _drop_temporary_files(error)
        lines = str(error).strip().splitlines() or [""]
        raise InputError(
            f"config {name!r} cannot be read ({type(error).__name__}: {lines[-1]})",
            f"an OpenMMLab {2 if compat.is_second_generation() else 1}.x config",
            "fix the config or --cfg-options",
        ) from error
    model = config.get("model")
    if not isinstance(model, dict) or "type" not in model:
        raise InputError(f"config {name!r} has no model.type", "a model to build", "give a model's config")
    return config


def _drop_temporary_files(error: BaseException) -> None:
    """Let go of the temporary file that mmcv's reader held, whose folder is gone: its closer complains on stderr."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda unraisable: None
    try:
        traceback.clear_frames(error.__traceback__)
    finally:
        sys.unraisablehook = hook
