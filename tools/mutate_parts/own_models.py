"""Small plain modules with seeded weights, whose inputs are no images."""

from typing import Any, Dict, Tuple

import torch
from torch import nn

from mmonnx.loading.random_weights import seeded

Made = Tuple[nn.Module, Any, None, None, Dict[str, Dict[int, str]]]
"""The arguments of ``module_task``."""


class Sequences(nn.Module):
    """Attention over a sequence of words: numbers (N, L) of words -> scores (N, 12) and the best words (N, L)."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 32)
        self.ask, self.answer, self.value = (nn.Linear(32, 32) for _ in range(3))
        self.norm = nn.LayerNorm(32)
        self.inner = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))
        self.head = nn.Linear(32, 12)

    def forward(self, words: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        """Words that are 0 are padding, to which nothing listens."""
        x = self.words(words)
        looks = self.ask(x) @ self.answer(x).transpose(1, 2) / 32**0.5
        looks = looks.masked_fill((words == 0)[:, None], -1e4).softmax(-1)
        x = self.norm(x + looks @ self.value(x))
        x = x + self.inner(x)
        scores = self.head(x.mean(1)).sigmoid()
        return scores, (x @ self.words.weight.t()).argmax(-1)


class Tables(nn.Module):
    """A tree of layers over rows (N, 24) -> (N, 6) probabilities and (N, 1) values between bounds."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(24, 48), nn.ReLU(), nn.Linear(48, 48), nn.LeakyReLU(0.1))
        self.kinds, self.amount = nn.Linear(48, 6), nn.Linear(48, 1)

    def forward(self, rows: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        """Rows of any scale: they are normalised by their own deviation."""
        x = (rows - rows.mean(1, keepdim=True)) / (rows.var(1, keepdim=True) + 1e-5).sqrt()
        x = self.body(x)
        return self.kinds(x).softmax(1), (3 * self.amount(x)).clamp(-2.0, 2.0)


def sequences() -> Made:
    """A batch of two sequences of nine words."""
    with seeded(0):
        model, words = Sequences(), torch.randint(1, 50, (2, 9))
    words[1, 6:] = 0
    return model, words, None, None, {"input": {0: "batch", 1: "length"}}


def tables() -> Made:
    """A batch of five rows."""
    with seeded(0):
        model, rows = Tables(), 3 * torch.randn(5, 24)
    return model, rows, None, None, {"input": {0: "batch"}}
