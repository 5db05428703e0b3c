"""Toolboxes of classifiers as codebases."""

import importlib
from typing import Any, Dict, Mapping, Optional

from torch import nn

from ...loading import LoadOptions, OpenMMLabCodebase, Task, describe
from . import classifiers
from .first import First
from .toolbox import Toolbox


class ClassifierCodebase(OpenMMLabCodebase):
    """A toolbox of classifiers, whichever.

    Attributes:
        toolbox: how its classifiers are built and run.
    """

    toolbox: Toolbox
    default_shape = classifiers.DEFAULT_SHAPE

    def build(self, settings: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
        """Build the classifier of a config and make it a task; see ``Codebase.build``."""
        return classifiers.build_task(self, self.toolbox, settings, title, checkpoint, options)

    def task_of(self, model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions) -> Task:
        """A built classifier as a task; see ``Codebase.task_of``."""
        return classifiers.make_task(self.name, self.toolbox, model, title, norm, options)

    def describe(self, task: Task, settings: Any, meta: Mapping[str, Any]) -> None:
        """Let a classifier's task know what its config and its checkpoint's meta data say of it."""
        describe(task, settings, meta, self.toolbox.datasets())


class MMClassification(ClassifierCodebase):
    """MMClassification 0.x. Its stand-ins are in ``rewriting/rewrites/mmcls``."""

    name = package = "mmcls"
    registry, base = "CLASSIFIERS", "BaseClassifier"
    makes = "a classifier of mmcls"
    toolbox = First()

    def evaluator(self) -> Any:
        """Probabilities as mmcls's datasets evaluate them."""
        return importlib.import_module(f"{__package__}.evaluation").ClassifierEvaluator()
