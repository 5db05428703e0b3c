"""MMOCR 0.x."""

import importlib
import sys
from types import MappingProxyType
from typing import Any, Callable, Dict, Mapping, Optional

from torch import nn

from ...environment import compat
from ...loading import LoadOptions, OpenMMLabCodebase, Task
from . import building, detecting, extracting, linking, masked
from .convertors import is_upstreams, likely_of
from .rules import RULES, settle, settle_maps


class MMOCR(OpenMMLabCodebase):
    """MMOCR 0.x. Its stand-ins are in ``rewriting/rewrites/mmocr``."""

    name = package = "mmocr"
    registry = "DETECTORS"  # which is that of all of its models
    makes = "a text detector or a text recognizer of mmocr"  # those that its own tool exports
    parts = ("label_convertor",)
    types = ("OCRMaskRCNN", "SDMGR")
    own_options = MappingProxyType({"model_type": "a model type", "device_id": "--device-id", "verbose": "--verbose"})
    default_shape = building.DEFAULT_SHAPE
    rules = RULES

    def owns(self, settings: Any) -> bool:
        """Whether the config's model is one of mmocr's; its registry has all parts of models, and mmdet's, as well."""
        return not compat.is_second_generation() and super().owns(settings)

    def seems_to_own(self, settings: Any) -> bool:
        """Whether a head has what mmocr's heads have alone."""
        head = settings.model.get("bbox_head")
        return super().seems_to_own(settings) or (isinstance(head, dict) and "postprocessor" in head)

    def build(self, settings: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
        """Build the model of a config and make it a task; see ``Codebase.build``."""
        compat.check_version(self.package)
        if settings.model.type == masked.KIND:
            task = masked.MaskedText().build(settings, title, checkpoint, options)
            task.notes.append("the file gives boxes and masks: mmocr's seg2boundary makes boundaries of these")
            return task
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
        loaded = super().give_weights(model, checkpoint, options, run, config)
        if checkpoint is None and hasattr(model, "label_convertor"):
            settle(model, likely_of(model.label_convertor), run)
        elif checkpoint is None and extracting.is_one(model):
            settle(model, None, run)
        elif checkpoint is None and linking.is_one(model):
            linking.settle_links(model, run)
        elif checkpoint is None and detecting.is_one(model):
            settle_maps(model.bbox_head, (detecting.texts_of(model) or {}).get("how", ""))
        return loaded

    def owns_model(self, model: nn.Module) -> bool:
        """Whether its class is mmocr's, or inherits from one."""
        # nobody has one who has not imported the toolbox
        return (
            f"{self.package}.models" in sys.modules
            and self._is_nearest(type(model))
            and any(map(is_upstreams, type(model).__mro__))
        )

    def covers(self, model: nn.Module) -> bool:
        """Whether it is of a family that is known."""
        if masked.is_one(model):
            return self.owns_model(model)
        return self.owns_model(model) and building.is_known(model)

    def task_of(self, model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions) -> Task:
        """A built model as a task; see ``Codebase.task_of``."""
        if masked.is_one(model):
            return masked.MaskedText().task_of(model, title, norm, options)
        return building.make_task(model, title, norm, options)

    def describe(self, task: Task, settings: Any, meta: Mapping[str, Any]) -> None:
        """Let a task know how its config's test pipeline prepares pictures."""
        building.describe(task, settings)

    def evaluator(self) -> Any:
        """Text as mmocr's datasets evaluate it."""
        return importlib.import_module(f"{__package__}.evaluation").TextEvaluator()
