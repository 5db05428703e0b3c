"""MMClassification 0.x."""

from typing import Any, Dict, Mapping, Optional

from torch import nn

from ...loading import LoadOptions, OpenMMLabCodebase, Task
from . import classifiers


class MMClassification(OpenMMLabCodebase):
    """MMClassification 0.x. Its stand-ins are in ``rewriting/rewrites/mmcls``."""

    name = package = "mmcls"
    registry, base = "CLASSIFIERS", "BaseClassifier"
    makes = "a classifier of mmcls"
    default_shape = classifiers.DEFAULT_SHAPE

    def build(self, settings: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
        """Build the classifier of a config and make it a task; see ``Codebase.build``."""
        return classifiers.build_task(self, settings, title, checkpoint, options)

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
