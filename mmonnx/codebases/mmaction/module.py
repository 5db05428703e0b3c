"""What is traced of a model of mmaction2."""

from typing import Any, Optional

import torch
from torch import nn

from ...rewriting import current
from .families import Family, whole


class RecognizerModule(nn.Module):
    """Clips, or what else the family takes -> scores (N, num_classes). It has to be called inside ``rewriting``.

    Args:
        model: the model.
        family: how it is run.
        softmax: its scores are to become probabilities.
    """

    def __init__(self, model: nn.Module, family: Family, softmax: bool) -> None:
        super().__init__()
        self.model = model
        self.family = family
        self.softmax = softmax

    def forward(self, input: torch.Tensor) -> Any:
        """Run the model on a batch."""
        context: Optional[Any] = current()
        if context is not None:
            context.upstream_path = True
        with whole(self.model):
            scores = self.family.run(self.model, input).flatten(1)
        return scores.softmax(1) if self.softmax else scores
