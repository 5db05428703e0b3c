"""Stand-ins for LeNet-5."""

from typing import Any, Tuple

import torch

from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmcls.models.backbones.lenet.LeNet5.forward")
def forward(context: ExportContext, original: Any, self: Any, x: torch.Tensor) -> Tuple[torch.Tensor]:
    """Logits of (N, 1, 32, 32); upstream's squeezes a batch of one away, and fails on it."""
    x = self.features(x)
    return (self.classifier(x.flatten(1)) if self.num_classes > 0 else x,)
