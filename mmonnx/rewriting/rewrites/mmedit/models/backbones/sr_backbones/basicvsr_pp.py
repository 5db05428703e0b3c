"""Stand-in for BasicVSR++'s network."""

from typing import Any

import torch

from .....context import ExportContext
from .....registry import rewrite


@rewrite("mmedit.models.backbones.sr_backbones.basicvsr_pp.BasicVSRPlusPlus.check_if_mirror_extended")
def check_if_mirror_extended(context: ExportContext, original: Any, self: Any, frames: torch.Tensor) -> None:
    """As of BasicVSR's network."""
    self.is_mirror_extended = False
