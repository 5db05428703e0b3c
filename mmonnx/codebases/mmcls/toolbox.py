"""How classifiers are built and run: all that mmcls 0.x and mmpretrain differ in, of what mmonnx has to know."""

from typing import Any, List, Sequence

import torch
from torch import nn


class Toolbox:
    """What a toolbox of classifiers fills; ``logits`` is whether scores are wanted before the softmax or sigmoid."""

    def build(self, config: Any) -> nn.Module:
        """The model of a config."""
        raise NotImplementedError

    def datasets(self) -> Any:
        """The registry of datasets."""
        raise NotImplementedError

    def gives_features(self, model: nn.Module) -> bool:
        """Whether a model has no classes: what it gives are features."""
        return False

    def check_logits(self, model: nn.Module) -> None:
        """Refuse a model whose scores before the softmax or sigmoid cannot be had.

        Raises:
            InputError: it is one.
        """

    def scores(self, model: nn.Module, image: torch.Tensor, logits: bool) -> torch.Tensor:
        """The scores (N, num_classes) of the model's own inference on (N, C, H, W)."""
        raise NotImplementedError

    def trace(self, model: nn.Module, image: torch.Tensor, logits: bool) -> torch.Tensor:
        """The same while it is traced, inside ``rewriting``."""
        raise NotImplementedError

    def tasks(self, model: nn.Module) -> Sequence[str]:
        """The names of the tasks of a model whose head has several, each with classes of its own; else none."""
        return ()

    def scores_of_tasks(self, model: nn.Module, image: torch.Tensor, logits: bool) -> List[torch.Tensor]:
        """The scores (N, num_classes) of each task, in the order of ``tasks``; also while it is traced."""
        raise NotImplementedError

    def features(self, model: nn.Module, image: torch.Tensor) -> Any:
        """What the head, if there is one, takes of (N, C, H, W): tensors, nested in any way."""
        return model.extract_feat(image)


def joined(scores: Any) -> torch.Tensor:
    """The scores (N, num_classes) of a head; those of a head with two branches are its logits' sum."""
    return sum(scores[1:], scores[0]) if isinstance(scores, (list, tuple)) else scores
