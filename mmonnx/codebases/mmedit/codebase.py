"""MMEditing 0.x."""

import importlib
import sys
from types import MappingProxyType
from typing import Any, Callable, Dict, Mapping, Optional

from torch import nn

from ...environment import compat
from ...loading import LoadOptions, OpenMMLabCodebase, Task
from . import building
from .families import family_of
from .rules import RULES, settle, wake


class MMEditing(OpenMMLabCodebase):
    """MMEditing 0.x. Its stand-ins are in ``rewriting/rewrites/mmedit``."""

    name = package = "mmedit"
    registry, base = "MODELS", "BaseModel"
    makes = "a restorer, an inpaintor, a mattor or a synthesizer of mmedit"
    parts = ("generator", "encdec")
    types = ("DIM", "GCA", "IndexNet")
    own_options = MappingProxyType(
        {"model_type": "a model type", "trimap": "--trimap-path", "sample_shape": "--shape of so many axes"}
    )
    default_shape = building.DEFAULT_SHAPE
    rules = RULES

    def owns(self, settings: Any) -> bool:
        """Whether the config's model is one of mmedit's; its registry has all parts of models as well."""
        if compat.is_second_generation():  # whose mmedit is not known
            return False
        found = compat.model_type(self.package, self.registry, settings.model.type)
        models = importlib.import_module(f"{self.package}.models") if found is not None else None
        return models is not None and isinstance(found, type) and issubclass(found, models.base.BaseModel)

    def build(self, settings: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
        """Build the model of a config and make it a task; see ``Codebase.build``."""
        compat.check_version(self.package)
        return building.build_task(self, settings, title, checkpoint, options)

    def give_weights(
        self,
        model: nn.Module,
        checkpoint: Optional[str],
        options: LoadOptions,
        run: Callable[[], Any],
        config: Any = None,
    ) -> Any:
        """Load a checkpoint, or draw weights; see ``Codebase.give_weights``."""
        if checkpoint is None:
            wake(model)
        loaded = super().give_weights(model, checkpoint, options, run, config)
        if checkpoint is None:
            settle(model, run)
        return loaded

    def owns_model(self, model: nn.Module) -> bool:
        """Whether it inherits from mmedit's base class."""
        # nobody has one who has not imported the toolbox
        base = sys.modules.get(f"{self.package}.models.base")
        return base is not None and isinstance(model, base.BaseModel)

    def covers(self, model: nn.Module) -> bool:
        """Whether it is of a family that is known."""
        return self.owns_model(model) and family_of(model) is not None

    def task_of(self, model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions) -> Task:
        """A built model as a task; see ``Codebase.task_of``."""
        return building.make_task(model, title, norm, options)

    def describe(self, task: Task, settings: Any, meta: Mapping[str, Any]) -> None:
        """Let a task know how its config's test pipeline prepares pictures."""
        building.describe(task, settings)

    def evaluator(self) -> Any:
        """Images as mmedit's models and datasets evaluate them."""
        return importlib.import_module(f"{__package__}.evaluation").EditorEvaluator()
