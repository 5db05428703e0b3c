"""MMPose 0.x."""

import importlib
import sys
from types import MappingProxyType
from typing import Any, Callable, Dict, Mapping, Optional

from torch import nn

from ...environment import compat
from ...loading import LoadOptions, OpenMMLabCodebase, Task, seeded
from . import building, dekr, films
from .keypoints import describe
from .rules import RULES


class MMPose(OpenMMLabCodebase):
    """MMPose 0.x. Its stand-ins are in ``rewriting/rewrites/mmpose``."""

    name = package = "mmpose"
    registry, base = "POSENETS", "BasePose"
    makes = "a pose estimator of mmpose"
    parts = ("keypoint_head",)
    types = ("DetectAndRegress", "GestureRecognizer", "ParametricMesh")
    own_options = MappingProxyType({"sample_channels": "--shape of four numbers"})
    default_shape = building.DEFAULT_SHAPE
    rules = RULES

    def owns(self, settings: Any) -> bool:
        """Whether the config's model is one of mmpose's; its registry has backbones and heads as well."""
        if compat.is_second_generation():  # whose mmpose is not known
            return False
        found = compat.model_type(self.package, self.registry, settings.model.type)
        models = importlib.import_module(f"{self.package}.models") if found is not None else None
        return models is not None and isinstance(found, type) and issubclass(found, models.detectors.base.BasePose)

    def build(self, settings: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
        """Build the pose estimator of a config and make it a task; see ``Codebase.build``."""
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
        stir = films.stir if films.is_of_films(model) else dekr.stir if dekr.is_one(model) else None
        if checkpoint is None and stir is not None:
            with seeded(options.seed):
                stir(model)
        if checkpoint is not None and dekr.is_one(model):
            dekr.forget_second(model)
        loaded = super().give_weights(model, checkpoint, options, run, config)
        if checkpoint is not None and dekr.is_one(model):
            dekr.check_second(model, checkpoint)
        return loaded

    def owns_model(self, model: nn.Module) -> bool:
        """Whether it inherits from mmpose's base class."""
        # nobody has one who has not imported the toolbox
        base = sys.modules.get(f"{self.package}.models.detectors.base")
        return base is not None and isinstance(model, base.BasePose)

    def covers(self, model: nn.Module) -> bool:
        """Whether it finds key points in crops or by their middles, or maps of those of all people."""
        return self.owns_model(model) and building.is_known(model)

    def task_of(self, model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions) -> Task:
        """A built pose estimator as a task; see ``Codebase.task_of``."""
        return building.make_task(model, title, norm, options)

    def describe(self, task: Task, settings: Any, meta: Mapping[str, Any]) -> None:
        """Let a task know what its config says of the key points and of the pictures."""
        describe(task, settings)

    def evaluator(self) -> Any:
        """Key points as mmpose's datasets evaluate them."""
        return importlib.import_module(f"{__package__}.evaluation").PoseEvaluator()
