"""Lines of text that are filled up on their right: which columns of their features are of the picture."""

from typing import Any, Optional

import torch

from .context import ExportContext

VALID_WIDTH = "valid_width"
"""Where a recognizer's module leaves in ``context.extras`` how wide each picture is, (N,) int64; nothing where all are
as wide as the input."""


def valid_columns(context: ExportContext, columns: Any) -> Optional[torch.Tensor]:
    """(N,) int64, how many of so many columns are of each picture; None for all.

    The arithmetic is upstream's own, in float64, which makes one more of some exact shares.
    """
    widths = context.extras.get(VALID_WIDTH)
    if widths is None:
        return None
    share = widths.double() / context.input.shape[3]
    wanted = share * columns
    whole = wanted.long()
    rounded = whole + (wanted > whole.double()).long()
    # opset 11 bounds no int64
    return torch.where(rounded > columns, torch.ones_like(rounded) * columns, rounded)


def beyond(context: ExportContext, columns: Any) -> Optional[torch.Tensor]:
    """(N, columns) bool, the columns that are none of each picture; None where all are of it."""
    valid = valid_columns(context, columns)
    if valid is None:
        return None
    return torch.arange(columns, device=valid.device)[None] >= valid[:, None]
