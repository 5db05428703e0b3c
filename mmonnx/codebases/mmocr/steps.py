"""Decoders that write a character a step: how many steps they take."""

from contextlib import contextmanager
from typing import Any, Iterator

from torch import nn

_WRITING = (
    "ParallelSARDecoder",
    "SequentialSARDecoder",
    "NRTRDecoder",
    "MasterDecoder",
    "RobustScannerDecoder",
    "SequenceAttentionDecoder",
    "PositionAttentionDecoder",
)
"""By the names of their classes; of others the number of steps is one of their layers' sizes."""
_FEW = 6


@contextmanager
def few_steps(model: nn.Module) -> Iterator[None]:
    """Let a recognizer read no more than a few characters inside the block: upstream takes long for all of them."""
    parts: Any = [one for one in model.modules() if any(base.__name__ in _WRITING for base in type(one).__mro__)]
    before = [part.max_seq_len for part in parts]
    for part in parts:
        part.max_seq_len = min(part.max_seq_len, _FEW)
    try:
        yield
    finally:
        for part, steps in zip(parts, before):
            part.max_seq_len = steps
