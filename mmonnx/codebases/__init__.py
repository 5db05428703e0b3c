"""What differs between MMDetection, MMClassification and plain torch: one file each, one small interface."""

from pathlib import Path
from typing import Optional

from .. import fallback
from ..errors import InputError
from .base import Task
from .config import read_config
from .options import LoadOptions

__all__ = ["LoadOptions", "Task", "load"]


def load(config: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
    """Build the model that a config describes, with the codebase that it belongs to.

    Args:
        config: a path, or ``mmdet::...``, ``mmcls::...``.
        checkpoint: path of the weights, None for seeded random ones.
        options: how.

    Raises:
        InputError: something that the user gave is wrong.
        ExportError: the model cannot be built.
    """
    fallback.ensure()
    from . import mmcls, mmdet

    settings = read_config(config, options.cfg_options)
    for codebase in (mmdet, mmcls):
        if codebase.owns(settings):
            return codebase.load(settings, Path(config.split("::")[-1]).stem, checkpoint, options)
    raise InputError(
        f"config {config!r} has model type {settings.model.type!r}",
        "a detector of mmdet or a classifier of mmcls",
        "add custom_imports to the config if the model is your own",
    )
