"""The first stage: from what a user names to a Task."""

import importlib
import importlib.util
import logging
import warnings
from contextlib import contextmanager
from typing import Any, Dict, Iterator, Optional, Tuple

from .. import fallback
from ..environment import compat, ordinary
from ..support import InputError, MmonnxError, alone, check_images, command_line, import_when_used, type_and_line
from .codebase import Blame, Codebase, codebases, title_of
from .config import find_config, read_config
from .imports import use_root
from .old_keys import failed_in
from .options import LoadOptions
from .others import refusal_of_type, refuse_other
from .task import Task


@alone()
@ordinary()
def load(config: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
    """Build the model that a config describes, with the codebase that it belongs to.

    Args:
        config: a path, ``mmdet::...`` (``mmcls::``, ``mmseg::``, ``mmpose::``, ``mmrotate::``), or
            ``package.module:callable``.
        checkpoint: path of the weights, None for seeded random ones.
        options: how.

    Raises:
        InputError: something that the user gave is wrong.
        ExportError: the model cannot be built.
    """
    check_images(options.batch, options.shape or (1, 1))
    if options.codebase_root and _taker(config) is None:
        use_root(options.codebase_root)
    owner, settings = read(config, options.cfg_options)
    if options.text is not None and not takes_text(settings):
        raise InputError("--text is for detectors that take text", f"no such option for {config!r}", "leave it out")
    _check_own_options(owner, config, options)
    with _told_of(owner.blame(config, settings, options)):
        text = owner.text(settings)  # before it is built from: upstream writes into it
        task = owner.build(settings, title_of(config), checkpoint, options)
    task.config_text = text
    return task


def _check_own_options(owner: Codebase, config: str, options: LoadOptions) -> None:
    """Refuse options that are for the models of other codebases."""
    usual = LoadOptions()
    for codebase in codebases():
        for name, flag in codebase.own_options.items():
            if name not in owner.own_options and getattr(options, name) != getattr(usual, name):
                whose = " or ".join(one.makes for one in codebases() if name in one.own_options)
                raise InputError(f"{flag} is for {whose}", f"no such option for {config!r}", "leave it out")


def takes_text(settings: Any) -> bool:
    """Whether a config's model has a language model."""
    model = getattr(settings, "model", None)
    return isinstance(model, dict) and bool(model.get("language_model"))


@alone()
def read(config: str, cfg_options: Optional[Dict[str, Any]] = None) -> Tuple[Codebase, Any]:
    """Read a config, and find whose it is.

    Returns:
        The codebase that its model belongs to, and the settings: an ``mmcv.Config`` of all but names that a codebase
        knows without one.

    Raises:
        InputError: it does not exist, cannot be read, is of no codebase, or of a release that is out of range.
    """
    taker = _taker(config)
    if taker is not None:
        return taker, taker.read(config, cfg_options)
    refuse_other(config)
    find_config(config)
    import_when_used("matplotlib.pyplot")  # toolboxes import it to draw figures
    with _quiet_imports(), compat.newest_mmcv_taken():
        fallback.ensure()
        settings = read_config(config, cfg_options)
        # to ask a codebase is to import it: the one that the name says is asked first, then those that seem to own it
        known = sorted(
            codebases(),
            key=lambda one: (not config.startswith(f"{one.package}::"), not one.seems_to_own(settings)),
        )
        owner = next((codebase for codebase in known if codebase.owns(settings)), None)
    compat.check_versions()  # of the source tree, where one is used
    if owner is not None:
        return owner, settings
    absent = next((one for one in known if one.seems_to_own(settings) and _is_absent(one.package)), None)
    if absent is not None:
        raise InputError(
            f"config {config!r} has a model of {absent.package}, which is not installed",
            f"{absent.package} with what it needs",
            command_line("pip", "install", *compat.distributions(absent.package)),
        )
    other = refusal_of_type(config, settings)
    if other is not None:
        raise other
    raise InputError(
        f"config {config!r} has model type {compat.kind_of(settings.model.type)!r}{_unread()}",
        " or ".join(codebase.makes for codebase in codebases() if codebase.package),
        "add custom_imports to the config if the model is your own",
    )


def _is_absent(package: str) -> bool:
    return importlib.util.find_spec(package) is None


def _unread() -> str:
    """Which codebases are installed and fail when they are imported, so that none of their models is known."""
    told = ""
    for package in (codebase.package for codebase in codebases() if codebase.package):
        try:
            with compat.newest_mmcv_taken():
                importlib.import_module(f"{package}.models")
        except ImportError as error:
            if error.name != package:  # which is what a package lacks that is not installed
                told += f", and {package}.models cannot be imported ({type_and_line(error)[:200]})"
    return told


def _taker(name: str) -> Optional[Codebase]:
    """The codebase to which a name that is not a config of mmcv's means a model."""
    return next((codebase for codebase in codebases() if codebase.takes(name)), None)


@contextmanager
def _told_of(blame: Blame) -> Iterator[None]:
    """Say of whom an error is that is not mmonnx's own: the user's config or model raises whatever its code raises."""
    try:
        yield
    except (MmonnxError, OSError, MemoryError):
        raise
    except Exception as error:
        module, reason = failed_in(error), type_and_line(error)[:300]
        if module and blame.shape:
            size = f"{blame.shape[0]}x{blame.shape[1]}"
            what = f"{blame.what}: PyTorch's own inference on a picture of {size} fails in {module} ({reason})"
        else:
            what = f"{blame.what} cannot be used ({reason})"
        raise InputError(what, blame.expected, blame.fix) from error


@contextmanager
def _quiet_imports() -> Iterator[None]:
    """Hide what importing mmcv 1.x says on every machine: that there is a 2.0, and that there is no GPU."""
    logger = logging.getLogger("torch.utils.cpp_extension")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", module=r"(mmcv|mmdet|mmcls|mmpose|mmrotate|mmseg|mmedit|mmocr|mmaction)(\..*)?$"
            )
            yield
    finally:
        logger.setLevel(level)
