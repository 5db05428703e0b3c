"""Stand-in for ``mmdet/models/dense_heads/gfl_head.py``."""

from typing import Any

import torch

from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmdet.models.dense_heads.gfl_head.Integral.forward")
def integral(context: ExportContext, original: Any, self: Any, x: torch.Tensor) -> torch.Tensor:
    """The expectation of each side's distribution: (K, 4 * (reg_max + 1)) logits to (K, 4) distances.

    Upstream's ``linear`` with a vector for its weight: torch 1.13 exports a transposition of two axes for it.
    """
    share = x.reshape(-1, self.reg_max + 1).softmax(1)
    return share.matmul(self.project.to(share)[:, None]).reshape(-1, 4)
