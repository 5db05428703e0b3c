"""MMAction2 0.x."""

import importlib
import importlib.util
import sys
from types import MappingProxyType
from typing import Any, Dict, Mapping, Optional

from torch import nn

from ...environment import compat
from ...loading import LoadOptions, OpenMMLabCodebase, Task
from . import building
from .actions import detects_actions
from .families import family_of
from .localizers import kind_of
from .rules import RULES

_BASES = (
    "recognizers.base.BaseRecognizer",
    "skeleton_gcn.base.BaseGCN",
    "localizers.base.BaseTAPGenerator",
    "localizers.base.BaseTAGClassifier",
)


class MMAction2(OpenMMLabCodebase):
    """MMAction2 0.x. Its stand-ins are in ``rewriting/rewrites/mmaction``."""

    name = package = "mmaction"
    registry = "MODELS"
    makes = "a recognizer or a localizer of mmaction2"
    parts = ("cls_head", "temporal_dim", "tem_feat_dim", "pem_feat_dim")
    types = ("Recognizer2D", "Recognizer3D")
    own_options = MappingProxyType(
        {"sample_shape": "--shape of so many axes", "is_localizer": "--is-localizer", "add_softmax": "--softmax"}
    )
    default_shape = building.DEFAULT_SHAPE
    rules = RULES

    def owns(self, settings: Any) -> bool:
        """Whether the config's model is one of mmaction2's; its registry has all parts of models as well."""
        if compat.is_second_generation():  # whose mmaction is not known
            return False
        found = compat.model_type(self.package, self.registry, settings.model.type)
        if detects_actions(settings.model):  # of a class of mmdet's
            return importlib.util.find_spec(self.package) is not None
        return isinstance(found, type) and issubclass(found, self._bases())

    def seems_to_own(self, settings: Any) -> bool:
        """See ``Codebase.seems_to_own``; a detector of actions is one of mmdet's, but for its head."""
        return super().seems_to_own(settings) or detects_actions(settings.model)

    def build(self, settings: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
        """Build the model of a config and make it a task; see ``Codebase.build``."""
        compat.check_version(self.package)
        return building.build_task(self, settings, title, checkpoint, options)

    def owns_model(self, model: nn.Module) -> bool:
        """Whether it inherits from one of mmaction2's base classes."""
        # nobody has one who has not imported the toolbox
        return f"{self.package}.models" in sys.modules and isinstance(model, self._bases())

    def covers(self, model: nn.Module) -> bool:
        """Whether it is of a family that is known."""
        return self.owns_model(model) and (family_of(model) is not None or kind_of(model) is not None)

    def task_of(self, model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions) -> Task:
        """A built model as a task; see ``Codebase.task_of``."""
        return building.make_task(model, title, norm, options)

    def describe(self, task: Task, settings: Any, meta: Mapping[str, Any]) -> None:
        """Let a task know how its config's test pipeline prepares clips."""
        building.describe(task, settings)

    def evaluator(self) -> Any:
        """Scores as mmaction2's datasets evaluate them."""
        return importlib.import_module(f"{__package__}.evaluation").FilmEvaluator()

    def _bases(self) -> Any:
        found = []
        for path in _BASES:
            module, _, name = path.rpartition(".")
            found.append(getattr(sys.modules[f"{self.package}.models.{module}"], name))
        return tuple(found)
