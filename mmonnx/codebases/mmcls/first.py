"""MMClassification 0.x: how its classifiers are built and run."""

import importlib
import inspect
from typing import Any, Dict

import numpy as np
import torch
from torch import nn

from ...environment import inference
from ...support import InputError
from .toolbox import Toolbox, joined


class First(Toolbox):
    """mmcls 0.x."""

    def build(self, config: Any) -> nn.Module:
        """See ``Toolbox.build``."""
        return importlib.import_module("mmcls.models").build_classifier(config.model)

    def datasets(self) -> Any:
        """See ``Toolbox.datasets``."""
        return importlib.import_module("mmcls.datasets").DATASETS

    def check_logits(self, model: nn.Module) -> None:
        """See ``Toolbox.check_logits``."""
        _logits_flag(model)

    def scores(self, model: nn.Module, image: torch.Tensor, logits: bool) -> torch.Tensor:
        """See ``Toolbox.scores``."""
        more = {**_logits_flag(model), "post_process": False} if logits else {}
        with inference(model):
            scores = model(image, return_loss=False, img_metas=[{} for _ in range(image.shape[0])], **more)
        return joined(scores) if logits else torch.from_numpy(np.stack(scores))

    def trace(self, model: nn.Module, image: torch.Tensor, logits: bool) -> torch.Tensor:
        """See ``Toolbox.trace``; ``simple_test`` gives tensors while tracing."""
        return joined(model.simple_test(image, [{}], **(_logits_flag(model) if logits else {})))


def _logits_flag(model: nn.Module) -> Dict[str, bool]:
    """The argument that keeps the head from making probabilities.

    Raises:
        InputError: the head has none.
    """
    known = inspect.signature(model.head.simple_test).parameters
    flag = next((name for name in ("softmax", "sigmoid") if name in known), None)
    if flag is None:
        raise InputError(
            f"--no-softmax: {type(model.head).__name__} has no softmax or sigmoid that can be left out",
            "a head whose simple_test takes softmax or sigmoid",
            "leave it out, or use --skip-postprocess",
        )
    return {flag: False}
