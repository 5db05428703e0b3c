"""Building a model from a config: with the checkpoint's weights, or with seeded random ones."""

import logging
import re
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Collection, Iterator, Optional, Sequence, Tuple

import torch
from torch import nn

from ..environment import compat
from ..support import ExportError, InputError, type_and_line
from .checkpoint import Loaded, load_weights
from .old_keys import failed_in, remedy
from .options import LoadOptions
from .random_weights import GENERAL, Rule, calibrate, seeded
from .second_generation import is_of_second

_NOT_REGISTERED = re.compile(r"(\w+) is not in the \S+ registry")


def remove_pretrained(model: Any) -> None:
    """Take what would be downloaded out of a model's config: ``pretrained``, checkpoints of ``init_cfg``, teachers.

    A teacher's weights are for training alone.
    """
    for part in _parts(model):
        for name in ("pretrained", "teacher_ckpt"):
            if part.get(name):
                part[name] = False if part[name] is True else None  # timm's models take nothing but a bool
        init = part.get("init_cfg")
        if isinstance(init, dict) and (compat.kind_of(init.get("type")) == "Pretrained" or "checkpoint" in init):
            part["init_cfg"] = None


def desynchronise_norms(model: Any) -> None:
    """Make mmcv's own synchronised batch norms of a model's config ordinary ones; their weights have the same names.

    They ask for a process group when they are built. Torch's do not, and are replaced afterwards.
    """
    for part in _parts(model):
        if compat.kind_of(part.get("type")) == "MMSyncBN":
            part["type"] = "BN"
            part.pop("stats_mode", None)


def _parts(node: Any) -> Iterator[Any]:
    """Every dict of a config, the outer ones first; what is taken out of one is not looked at."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for value in node:
            yield from _parts(value)


def find_teacher(config: Any) -> None:
    """Make the path of a teacher's config one that exists: upstream has it relative to its own root.

    Inference needs no teacher, but upstream's students build theirs.
    """
    path = config.model.get("teacher_config")
    if isinstance(path, str) and not Path(path).is_file() and config.filename:
        roots = Path(config.filename).resolve().parents
        found = next((root / path for root in roots if (root / path).is_file()), None)
        config.model.teacher_config = str(found or path)


def build(
    config: Any, builder: Callable[[Any], nn.Module], options: LoadOptions, initialised: bool = False
) -> nn.Module:
    """Build ``config.model`` in eval mode on the CPU, with seeded initial weights.

    Args:
        config: is changed.
        builder: makes the model of it.
        options: how.
        initialised: models of this builder have their initial weights, and may not be told again to take them.

    Raises:
        ExportError: the codebase cannot build it.
    """
    remove_pretrained(config.model)
    desynchronise_norms(config.model)
    find_teacher(config)
    if config.get("train_cfg") is None and not is_of_second(config):  # in 2.x that is of the loop, not of the model
        config.model.pop("train_cfg", None)
    try:
        with seeded(options.seed), _quiet():
            model = builder(config)
            if hasattr(model, "init_weights") and not initialised:
                model.init_weights()
    except Exception as error:
        module = failed_in(error)
        where = f" in {module}" if module else ""
        raise ExportError(
            f"the model cannot be built: PyTorch fails{where} ({type_and_line(error)[:300]})",
            *_remedy(config, error),
        ) from error
    model = without_sync_bn(model)
    model.eval()  # of a student it returns nothing
    return model


def _remedy(config: Any, error: Exception) -> Tuple[str, str]:
    """What is expected instead of a config that a model cannot be built from, and what to do."""
    of_second, second = is_of_second(config), compat.is_second_generation()
    if of_second and not second:
        key = "model.data_preprocessor" if "data_preprocessor" in config.model else "test_dataloader"
        fix = f"write the config for mmdet 2.x or mmcls 0.x, which have no {key}, or install mmdet 3 or mmpretrain"
        return "a config of OpenMMLab 1.x, as the installed release is", fix
    if second and not of_second and "data" in config:
        fix = "write the config for mmdet 3.x or mmpretrain, which have no data, or install mmdet 2 or mmcls"
        return "a config of OpenMMLab 2.x, as the installed release is", fix
    missing = _NOT_REGISTERED.search(str(error))
    if missing:
        fix = "name the module that has it in the config's custom_imports (it may lie beside the config)"
        return f"the code of {missing.group(1)}", f"{fix}, or give your source tree by --codebase-root"
    return remedy(config, "fix the config or --cfg-options")


def load_or_calibrate(
    model: nn.Module,
    checkpoint: Optional[str],
    options: LoadOptions,
    run: Callable[[], Any],
    config: Any = None,
    rules: Sequence[Rule] = GENERAL,
    undrawn: Collection[str] = (),
) -> Loaded:
    """Load the checkpoint, or scale the random weights so that the model finds something.

    Args:
        run: runs the model on photographs, for the scaling.
        config: see ``load_weights``.
        rules, undrawn: the codebase's, see ``calibrate``.
    """
    if checkpoint is not None:
        loaded = load_weights(model, checkpoint, options.trust_checkpoint, options.checkpoint_key, config)
        model.eval()  # LeViT and TinyViT keep what follows from their weights since they were last told so
        return loaded
    with seeded(options.seed):
        calibrate(model, run, rules, undrawn)
    model.eval()
    return Loaded({}, ["no checkpoint was given: the file has seeded random weights and finds nothing real"])


def check_device(device: str) -> torch.device:
    """The device of a name.

    Raises:
        InputError: it is unknown, or this machine has none of it.
    """
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"device {device!r} is unknown", "cpu or cuda", "give one of them") from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {device!r} is not there", "a GPU that torch sees", "use --device cpu")
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the line per parameter that mmcv logs when it initialises a model."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)


def without_sync_bn(model: nn.Module) -> nn.Module:
    """The model with ordinary batch norms in the place of synchronised ones, which need a GPU."""
    if any(isinstance(module, nn.SyncBatchNorm) for module in model.modules()):
        return compat.revert_sync_batchnorm(model)
    return model
