"""What is traced of a model of mmedit."""

from typing import Any, Sequence, Tuple

import torch
from torch import nn

from ...rewriting import current
from .family import Family


class EditorModule(nn.Module):
    """(N, C, H, W), and what is beside it -> the family's outputs. It has to be called inside ``rewriting``.

    Args:
        model: the model.
        family: how it is run.
        beside: the names of the further inputs, in order.
    """

    def __init__(self, model: nn.Module, family: Family, beside: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.family = family
        self.beside = tuple(beside)

    def forward(self, input: torch.Tensor, *more: torch.Tensor) -> Tuple[Any, ...]:
        """Run the model on a batch; ``more`` are the inputs beside the picture, in order."""
        context = current()
        assert context is not None  # it is called inside ``rewriting``
        context.start(input)
        return self.family.run(self.model, input, **dict(zip(self.beside, more)))
