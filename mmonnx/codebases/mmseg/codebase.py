"""MMSegmentation 0.x."""

import importlib
from types import MappingProxyType
from typing import Any, Dict, Mapping, Optional

from torch import nn

from ...environment import compat
from ...loading import LoadOptions, OpenMMLabCodebase, Task, describe
from . import segmentors
from .rules import RULES


class MMSegmentation(OpenMMLabCodebase):
    """MMSegmentation 0.x. Its stand-ins are in ``rewriting/rewrites/mmseg``."""

    name = package = "mmseg"
    registry, base = "SEGMENTORS", "BaseSegmentor"
    makes = "a segmentor of mmseg"
    parts = ("decode_head",)
    default_shape = segmentors.DEFAULT_SHAPE
    own_options = MappingProxyType({"seg_logits": "--seg-logits", "rescale_shape": "--rescale_shape"})
    rules = RULES

    def owns(self, settings: Any) -> bool:
        """Whether the config's model is in mmseg's registry; releases of 2.x are not known."""
        return not compat.is_second_generation() and super().owns(settings)

    def build(self, settings: Any, title: str, checkpoint: Optional[str], options: LoadOptions) -> Task:
        """Build the segmentor of a config and make it a task; see ``Codebase.build``."""
        compat.check_version(self.package)
        return segmentors.build_task(self, settings, title, checkpoint, options)

    def covers(self, model: nn.Module) -> bool:
        """Whether it is an encoder-decoder: other segmentors have code of their own."""
        return self.owns_model(model) and segmentors.is_encoder_decoder(model)

    def task_of(self, model: nn.Module, title: str, norm: Optional[Dict[str, Any]], options: LoadOptions) -> Task:
        """A built segmentor as a task; see ``Codebase.task_of``."""
        return segmentors.make_task(model, title, norm, options)

    def as_upstream(self, task: Task) -> Task:
        """With a first axis of 1 before the images, which mmseg's tool gives label maps."""
        return segmentors.as_upstream(task)

    def describe(self, task: Task, settings: Any, meta: Mapping[str, Any]) -> None:
        """Let a segmentor's task know what its config and its checkpoint's meta data say of it."""
        describe(task, settings, meta, segmentors.datasets())

    def evaluator(self) -> Any:
        """Label maps as mmseg's datasets evaluate them."""
        return importlib.import_module(f"{__package__}.evaluation").SegmentorEvaluator()
