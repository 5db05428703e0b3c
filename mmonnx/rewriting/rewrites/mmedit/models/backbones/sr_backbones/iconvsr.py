"""Stand-ins for IconVSR's network."""

from typing import Any, Dict, List

import torch

from .....context import ExportContext
from .....registry import rewrite

_PATH = "mmedit.models.backbones.sr_backbones.iconvsr.IconVSR"


@rewrite(f"{_PATH}.check_if_mirror_extended")
def check_if_mirror_extended(context: ExportContext, original: Any, self: Any, frames: torch.Tensor) -> None:
    """As of BasicVSR's network."""
    self.is_mirror_extended = False


@rewrite(f"{_PATH}.compute_refill_features")
def compute_refill_features(
    context: ExportContext, original: Any, self: Any, lrs: torch.Tensor, keyframe_idx: List[Any]
) -> Dict[int, torch.Tensor]:
    """Features of some frames by their numbers: of the last one the trace has a tensor, which no dict finds."""
    found: Dict[int, torch.Tensor] = original(self, lrs, [int(number) for number in keyframe_idx])
    return found
