"""Stand-in for the head of TPN."""

from typing import Any

import torch
from torch.nn import functional

from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmaction.models.heads.tpn_head.TPNHead.forward")
def forward(
    context: ExportContext, original: Any, self: Any, x: torch.Tensor, num_segs: Any = None, fcn_test: bool = False
) -> torch.Tensor:
    """Class scores of maps of any size; upstream keeps the size of the first map that it sees, and makes layers."""
    if fcn_test:
        pooled = self.avg_pool3d(x) if self.avg_pool3d else x
        return functional.conv3d(pooled, self.fc_cls.weight[..., None, None, None], self.fc_cls.bias)
    if num_segs is None:
        return original(self, x, num_segs, fcn_test)
    x = x.mean((-2, -1), keepdim=True)
    x = self.consensus(x.reshape((-1, num_segs) + x.shape[1:])).squeeze(1)
    return self.fc_cls(x.flatten(1))
