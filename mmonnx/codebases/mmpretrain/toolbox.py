"""How the models of mmpretrain 1.x are built and run."""

import importlib
from functools import reduce
from typing import Any, Iterator, List, Sequence, Tuple

import torch
from torch import nn

from ...environment import compat, inference
from ..mmcls import Toolbox, joined

_NOT_OF_INFERENCE = ("target_generator",)
"""Parts of a self-supervised model that its training alone runs; some would be downloaded."""


class Second(Toolbox):
    """mmpretrain 1.x."""

    def build(self, config: Any) -> nn.Module:
        """See ``Toolbox.build``."""
        for name in _NOT_OF_INFERENCE:
            config.model.pop(name, None)
        return compat.build_of_second("mmpretrain", config)

    def datasets(self) -> Any:
        """See ``Toolbox.datasets``."""
        importlib.import_module("mmpretrain.datasets")
        return importlib.import_module("mmpretrain.registry").DATASETS

    def gives_features(self, model: nn.Module) -> bool:
        """See ``Toolbox.gives_features``: a classifier without a head, and what is no classifier, has no classes."""
        classifier = importlib.import_module("mmpretrain.models").BaseClassifier
        return not isinstance(model, classifier) or (hasattr(model, "head") and model.head is None)

    def scores(self, model: nn.Module, image: torch.Tensor, logits: bool) -> torch.Tensor:
        """See ``Toolbox.scores``."""
        with inference(model):
            return self.trace(model, image, logits)

    def trace(self, model: nn.Module, image: torch.Tensor, logits: bool) -> torch.Tensor:
        """See ``Toolbox.trace``."""
        if logits:
            return joined(model(image, mode="tensor"))
        return _together([sample.pred_score for sample in model(image, mode="predict")])

    def tasks(self, model: nn.Module) -> Sequence[str]:
        """See ``Toolbox.tasks``: those inside a task have its name before their own."""
        head = getattr(model, "head", None)
        return [".".join(path) for path in _paths(head)] if _is_of_tasks(head) else ()

    def scores_of_tasks(self, model: nn.Module, image: torch.Tensor, logits: bool) -> List[torch.Tensor]:
        """See ``Toolbox.scores_of_tasks``."""
        paths: Any = list(_paths(model.head))
        if logits:
            found = model(image, mode="tensor")
            return [joined(reduce(lambda value, name: value[name], path, found)) for path in paths]
        samples = model(image, mode="predict")
        return [_together([_inside(sample, path).pred_score for sample in samples]) for path in paths]

    def features(self, model: nn.Module, image: torch.Tensor) -> Any:
        """See ``Toolbox.features``."""
        return model.extract_feat(image)


def _is_of_tasks(head: Any) -> bool:
    """Whether a head has heads of its own for several tasks."""
    return isinstance(head, importlib.import_module("mmpretrain.models").MultiTaskHead)


def _paths(head: Any) -> Iterator[Tuple[str, ...]]:
    """The names that lead to each head with classes."""
    for name, part in head.task_heads.items():
        for rest in _paths(part) if _is_of_tasks(part) else [()]:
            yield (name, *rest)


def _inside(sample: Any, path: Sequence[str]) -> Any:
    """The data sample of one task."""
    return reduce(lambda value, name: value.get(name), path, sample)


def _together(scores: List[torch.Tensor]) -> torch.Tensor:
    """The scores (N, num_classes) of data samples: a row of each, or, while tracing, all rows of the only one."""
    return scores[0] if scores[0].dim() == 2 else torch.stack(scores)
