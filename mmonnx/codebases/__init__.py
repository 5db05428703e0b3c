"""What differs between MMDetection, MMClassification and plain torch: one file each, one small interface."""

import logging
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Tuple

from .. import compat, fallback
from ..errors import InputError, MmonnxError, type_and_line
from ..memory import check_images
from ..surroundings import ordinary
from ..threads import alone
from . import plain
from .about import config_text
from .base import Task
from .callables import is_callable_name
from .config import find_config, read_config
from .imports import use_root
from .old_keys import failed_in, mending
from .options import LoadOptions

__all__ = ["LoadOptions", "Task", "load", "read"]


@alone()
@ordinary()
def load(config: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
    """Build the model that a config describes, with the codebase that it belongs to.

    Args:
        config: a path, ``mmdet::...``, ``mmcls::...``, or ``package.module:callable``.
        checkpoint: path of the weights, None for seeded random ones.
        options: how.

    Raises:
        InputError: something that the user gave is wrong.
        ExportError: the model cannot be built.
    """
    check_images(options.batch, options.shape or (1, 1))
    if is_callable_name(config):
        with _told_of(f"model {config!r}", "a model of images", "mend it, or --model-kwargs"):
            return plain.load(config, checkpoint, options)
    if options.codebase_root:
        use_root(options.codebase_root)
    owner, settings = read(config, options.cfg_options)
    shape = options.shape or owner.DEFAULT_SHAPE
    fix = "mend the config or --cfg-options, or give another --shape"
    with _told_of(f"config {config!r}", *mending(settings, fix), shape=shape):
        text = config_text(settings)  # before it is built from: upstream writes into it
        task = owner.load(settings, Path(config.split("::")[-1]).stem, checkpoint, options)
    task.config_text = text
    return task


@alone()
def read(config: str, cfg_options: Optional[Dict[str, Any]] = None) -> Tuple[Any, Any]:
    """Read a config of mmdet or mmcls.

    Returns:
        The codebase that its model belongs to (a module of this package), and the ``mmcv.Config``.

    Raises:
        InputError: it does not exist, cannot be read, is of neither codebase, or of a release that is out of range.
    """
    find_config(config)
    with _quiet_imports():
        fallback.ensure()
        from . import mmcls, mmdet

        settings = read_config(config, cfg_options)
        # to ask a codebase is to import it: the one that the name says is asked first
        asked = (mmcls, mmdet) if config.startswith("mmcls::") else (mmdet, mmcls)
        owner = next((codebase for codebase in asked if codebase.owns(settings)), None)
    compat.check_versions()  # of the source tree, where one is used
    if owner is not None:
        return owner, settings
    raise InputError(
        f"config {config!r} has model type {settings.model.type!r}",
        "a detector of mmdet or a classifier of mmcls",
        "add custom_imports to the config if the model is your own",
    )


@contextmanager
def _told_of(what: str, expected: str, fix: str, shape: Optional[Tuple[int, int]] = None) -> Iterator[None]:
    """Say of whom an error is that is not mmonnx's own: the user's config or model raises whatever its code raises.

    Args:
        what: what cannot be used.
        expected: what was expected instead.
        fix: what to do.
        shape: (height, width) of the pictures that the model runs on, None where that is of no account.
    """
    try:
        yield
    except (MmonnxError, OSError, MemoryError):
        raise
    except Exception as error:
        module, reason = failed_in(error), type_and_line(error)[:300]
        if module and shape:
            size = f"{shape[0]}x{shape[1]}"
            what = f"{what}: PyTorch's own inference on a picture of {size} fails in {module} ({reason})"
        else:
            what = f"{what} cannot be used ({reason})"
        raise InputError(what, expected, fix) from error


@contextmanager
def _quiet_imports() -> Iterator[None]:
    """Hide what importing mmcv 1.x says on every machine: that there is a 2.0, and that there is no GPU."""
    logger = logging.getLogger("torch.utils.cpp_extension")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(mmcv|mmdet|mmcls)(\..*)?$")
            yield
    finally:
        logger.setLevel(level)
