"""MMDetection 2.x and 3.x."""

from typing import Any, Dict, Mapping, Optional

from torch import nn

from ...environment import compat
from ...loading import LoadOptions, OpenMMLabCodebase, Task
from ...runtime import names_in
from . import detectors
from .generations import First, Generation, Second
from .rules import RULES, UNDRAWN
from .texts import check_text


class MMDetection(OpenMMLabCodebase):
    """MMDetection of either generation. Its stand-ins are in ``rewriting/rewrites/mmdet``."""

    name = package = "mmdet"
    registry, base = "DETECTORS", "BaseDetector"
    makes = "a detector of mmdet"
    default_shape = detectors.DEFAULT_SHAPE
    rules = RULES
    undrawn = UNDRAWN

    @property
    def generation(self) -> Generation:
        """What the installed generation does differently."""
        return Second() if compat.is_second_generation() else First()

    def build(self, settings: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
        """Build the detector of a config and make it a task; see ``Codebase.build``."""
        generation = self.generation
        check_text(settings, options)
        generation.text = options.text
        task = detectors.build_task(self, generation, settings, title, checkpoint, options)
        if generation.text is not None:
            task.classes, task.palette = names_in(generation.text), []  # not those of the config's dataset
        return task

    def covers(self, model: nn.Module) -> bool:
        """Whether its own inference can be traced: there is a stand-in for what its answers come from."""
        return self.owns_model(model) and detectors.covers(self.generation.detector(model))

    def task_of(self, model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions) -> Task:
        """A built detector as a task; see ``Codebase.task_of``."""
        return detectors.make_task(self.generation, model, title, norm, options)

    def describe(self, task: Task, settings: Any, meta: Mapping[str, Any]) -> None:
        """Let a detector's task know what its config and its checkpoint's meta data say of it."""
        detectors.describe_by(self.generation, task, settings, meta)

    def evaluator(self) -> Any:
        """Detections as mmdet's datasets or metrics evaluate them."""
        return self.generation.evaluator()
