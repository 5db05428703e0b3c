"""MMClassification 0.x."""

import sys
from typing import Any, Dict, Mapping, Optional

from torch import nn

from ...loading import Codebase, LoadOptions, Task
from . import classifiers


class MMClassification(Codebase):
    """MMClassification 0.x. Its stand-ins are in ``rewriting/rewrites/mmcls``."""

    name = package = "mmcls"
    makes = "a classifier of mmcls"
    default_shape = classifiers.DEFAULT_SHAPE

    def owns(self, settings: Any) -> bool:
        """Whether the config's model is one of MMClassification's (custom modules included)."""
        try:
            from mmcls.models.builder import CLASSIFIERS
        except ImportError:
            return False
        return CLASSIFIERS.get(settings.model.type) is not None

    def build(self, settings: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
        """Build the classifier of a config and make it a task; see ``Codebase.build``."""
        return classifiers.build_task(self, settings, title, checkpoint, options)

    def owns_model(self, model: nn.Module) -> bool:
        """Whether it is a classifier of MMClassification's."""
        # nobody has one who has not imported MMClassification
        package = sys.modules.get("mmcls.models")
        return package is not None and isinstance(model, package.BaseClassifier)

    def task_of(self, model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions) -> Task:
        """A built classifier as a task; see ``Codebase.task_of``."""
        return classifiers.make_task(model, title, norm, options)

    def describe(self, task: Task, settings: Any, meta: Mapping[str, Any]) -> None:
        """Let a classifier's task know what its config and its checkpoint's meta data say of it."""
        classifiers.describe_by(task, settings, meta)

    def evaluator(self) -> Any:
        """Probabilities as mmcls's datasets evaluate them."""
        from .evaluation import ClassifierEvaluator

        return ClassifierEvaluator()
