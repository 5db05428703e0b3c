"""Stand-in for how ABINet's language model counts characters."""

from typing import Any

import torch

from .....context import ExportContext
from .....registry import rewrite


@rewrite("mmocr.models.textrecog.decoders.abinet_language_decoder.ABILanguageDecoder._get_length")
def get_length(context: ExportContext, original: Any, self: Any, logit: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """(N,), the first step that ends a text, counted from one, or all steps; ONNX adds up no bools.

    Args:
        logit: (N, T, C).
        dim: that of the steps, without the characters.
    """
    ends = (logit.argmax(-1) == self.pad_idx).long()
    before = (ends.cumsum(dim) == 0).long().sum(dim)
    # float: what upstream bounds, which opset 11 has for no int64
    return (before + (ends.sum(dim) > 0).long()).float()
