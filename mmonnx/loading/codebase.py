"""What mmonnx has to know of a toolbox, in one object, and where it finds these objects."""

import importlib
import sys
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from torch import nn

from ..environment import compat
from ..rewriting import trust
from ..support import InputError, MmonnxError, type_and_line
from .about import config_text
from .checkpoint import Loaded
from .config import read_config
from .kinds import NO_KINDS, Kinds
from .model import load_or_calibrate
from .old_keys import remedy
from .options import LoadOptions
from .random_weights import GENERAL, Rule
from .task import Task

_GROUP = "mmonnx.codebases"
"""The entry points by which an installed package brings a codebase: each is a :class:`Codebase` or a class of one."""
_OWN = ("mmdet", "mmcls", "mmpretrain", "mmpose", "mmrotate", "mmseg", "mmedit", "mmocr", "mmaction", "plain")


class Blame(NamedTuple):
    """Of whom an error is that is not mmonnx's own: the user's config or model raises whatever its code raises.

    Attributes:
        what: what cannot be used.
        expected: what was expected instead.
        fix: what to do.
        shape: (height, width) of the pictures that the model runs on, None where that is of no account.
    """

    what: str
    expected: str
    fix: str
    shape: Optional[Tuple[int, int]] = None


class Codebase:
    """What mmonnx has to know of a toolbox; how a model is prepared, run and read is in the :class:`Task` it makes.

    Attributes:
        name: what tasks and messages call it.
        package: the Python package whose configs ``NAME::folder/file.py`` means; empty for none.
        makes: what its models are, for messages: ``a detector of mmdet``.
        default_shape: (height, width) of the sample input where nobody asks for one and no config says.
        rules: how layers get random weights that find something, by the names of the layers.
        undrawn: modules, by their classes' names, of which upstream leaves the weights as the memory has them.
        parts: keys of a model's config that it alone has: of one that nobody owns they tell what is not installed.
        types: types of its models that have none of these; they tell the same.
        own_options: fields of ``LoadOptions`` that are for its models alone, and what the command line calls them.
        rewrites: packages of stand-ins, imported with the codebase, see ``docs/extending.md``.
    """

    name: str = ""
    package: str = ""
    makes: str = ""
    default_shape: Tuple[int, int] = (224, 224)
    rules: Sequence[Rule] = GENERAL
    undrawn: Sequence[str] = ()
    parts: Sequence[str] = ()
    types: Sequence[str] = ()
    own_options: Mapping[str, str] = MappingProxyType({})
    rewrites: Sequence[str] = ()

    def takes(self, name: str) -> bool:
        """Whether a name means a model of this codebase's that no config of mmcv's describes."""
        return False

    def read(self, name: str, options: Optional[Mapping[str, Any]] = None) -> Any:
        """The settings that a name means: an ``mmcv.Config``; the name itself where :meth:`takes` knows it.

        Args:
            name: of a config.
            options: overrides, as of ``--cfg-options``.

        Raises:
            InputError: there is none of that name, or it cannot be read.
        """
        return name if self.takes(name) else read_config(name, dict(options or {}))

    def owns(self, settings: Any) -> bool:
        """Whether the model of an ``mmcv.Config`` is this codebase's; its own registry decides."""
        return False

    def seems_to_own(self, settings: Any) -> bool:
        """Whether the model of an ``mmcv.Config`` looks like one of a toolbox that is not installed."""
        return settings.model.type in self.types or any(part in settings.model for part in self.parts)

    def build(self, settings: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
        """Build the model, give it weights, and make it a task: how it is prepared, run and read.

        Args:
            settings: what :meth:`read` gave.
            title: the config's name, for messages.
            checkpoint: path of the weights, None for seeded random ones.
            options: how.

        Raises:
            InputError: something that the user gave is wrong.
            ExportError: the model cannot be built.
        """
        raise NotImplementedError

    def give_weights(
        self,
        model: nn.Module,
        checkpoint: Optional[str],
        options: LoadOptions,
        run: Callable[[], Any],
        config: Any = None,
    ) -> Loaded:
        """Load a checkpoint into a model, or draw weights by :attr:`rules`; what ``build`` calls once it has a model.

        Args:
            model: in eval mode, is changed.
            checkpoint: path of the weights, None for seeded random ones.
            options: how.
            run: runs the model on photographs.
            config: the model's, for messages about a checkpoint that does not fit it.

        Returns:
            The checkpoint's meta data, and notes for the closing table.
        """
        return load_or_calibrate(model, checkpoint, options, run, config, self.rules, self.undrawn)

    def owns_model(self, model: nn.Module) -> bool:
        """Whether a model that is there already is this codebase's; nothing is imported for the answer."""
        return False

    def covers(self, model: nn.Module) -> bool:
        """Whether a model of its own can be traced as its inference is."""
        return self.owns_model(model)

    def task_of(self, model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions) -> Task:
        """Make a built model, in eval mode and on the device of ``options``, a task.

        Args:
            model: one that it owns.
            title: what it is, for messages.
            norm: the ``Normalize`` transform of its pipeline, None for none.
            options: what the task is to be; how to load the model is of no account here.
        """
        raise NotImplementedError

    def as_upstream(self, task: Task) -> Task:
        """A task of ``task_of`` with outputs of the shapes that upstream's own tool gives them; the task by default."""
        return task

    def describe(self, task: Task, settings: Any, meta: Mapping[str, Any]) -> None:
        """Let a task know what its settings and its checkpoint's meta data say: class names, colours, the pipeline."""

    def kinds(self) -> Kinds:
        """How results of types of its own are compared and drawn, for its tasks and its test sets; none by default."""
        return NO_KINDS

    def evaluator(self) -> Any:
        """How its test sets are read and scored, an ``mmonnx.evaluation.Evaluator``.

        Raises:
            InputError: mmonnx test is not for this codebase.
        """
        raise InputError(f"mmonnx test knows no test sets of {self.name}", "mmdet or mmcls", "evaluate it yourself")

    def text(self, settings: Any) -> str:
        """The settings as Python, for the file's metadata; empty for none."""
        return config_text(settings)

    def blame(self, name: str, settings: Any, options: LoadOptions) -> Blame:
        """What to say where building raises what is no error of mmonnx's."""
        expected, fix = remedy(settings, "fix the config or --cfg-options, or give another --shape")
        return Blame(f"config {name!r}", expected, fix, options.shape or self.default_shape)


class OpenMMLabCodebase(Codebase):
    """A toolbox of OpenMMLab, whose registry says which models are its own.

    Attributes:
        registry: the registry of its models in 1.x, in ``PACKAGE.models.builder``.
        base: the class that they inherit from, in ``PACKAGE.models``.
    """

    registry: str = ""
    base: str = ""

    def owns(self, settings: Any) -> bool:
        """Whether the config's model is in the registry (custom modules included)."""
        found = compat.model_type(self.package, self.registry, settings.model.type)
        if found is None or not compat.is_second_generation():
            return found is not None and self._is_nearest(found)
        # of 2.x all models of all packages are in one tree of registries
        return isinstance(found, type) and issubclass(found, getattr(sys.modules[f"{self.package}.models"], self.base))

    def owns_model(self, model: nn.Module) -> bool:
        """Whether it inherits from the toolbox's base class."""
        # nobody has one who has not imported the toolbox
        models = sys.modules.get(f"{self.package}.models")
        return models is not None and isinstance(model, getattr(models, self.base)) and self._is_nearest(type(model))

    def _is_nearest(self, kind: Any) -> bool:
        """Whether no other toolbox is between a class and this one: mmrotate's detectors are mmdet's as well."""
        homes = (base.__module__.partition(".")[0] for base in getattr(kind, "__mro__", ()))
        return next((home for home in homes if home in packages()), self.package) == self.package


@lru_cache(maxsize=None)
def codebases() -> Sequence[Codebase]:
    """All codebases: those that installed packages bring, which may know better, then mmonnx's own.

    Raises:
        InputError: one that a package brings cannot be imported.
    """
    return (*_brought(), *(importlib.import_module(f"mmonnx.codebases.{name}").CODEBASE for name in _OWN))


def packages() -> List[str]:
    """The Python packages that codebases know."""
    return [codebase.package for codebase in codebases() if codebase.package]


def owner_of(model: nn.Module) -> Optional[Codebase]:
    """The codebase of a model that is there already, None if it is nobody's."""
    return next((codebase for codebase in codebases() if codebase.owns_model(model)), None)


def title_of(name: str) -> str:
    """What messages call a config: its file's name."""
    return Path(name.split("::")[-1]).stem


def _brought() -> List[Codebase]:
    found = []
    for point in compat.entry_points(_GROUP):
        try:
            codebase = point.load()
            codebase = codebase() if isinstance(codebase, type) else codebase
            for package in codebase.rewrites:
                importlib.import_module(package)
        except MmonnxError:
            raise
        except Exception as error:  # a package raises whatever its own code raises
            raise InputError(
                f"codebase {point.name!r} ({point.value}) cannot be imported: {type_and_line(error)}",
                "an entry point that names an mmonnx.loading.Codebase",
                "fix that package, or uninstall it",
            ) from error
        if not isinstance(codebase, Codebase):
            raise InputError(
                f"codebase {point.name!r} ({point.value}) is a {type(codebase).__name__}",
                "an entry point that names an mmonnx.loading.Codebase",
                "fix that package, or uninstall it",
            )
        if codebase.package and codebase.rewrites:
            trust(codebase.package)
        found.append(codebase)
    return found
