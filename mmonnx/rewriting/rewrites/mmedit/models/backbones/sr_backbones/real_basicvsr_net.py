"""Stand-in for RealBasicVSR's network."""

from typing import Any

import torch

from .....context import ExportContext
from .....registry import rewrite

_MOST_CLEANINGS = 3


@rewrite("mmedit.models.backbones.sr_backbones.real_basicvsr_net.RealBasicVSRNet.forward")
def forward(context: ExportContext, original: Any, self: Any, lqs: torch.Tensor, return_lqs: bool = False) -> Any:
    """Clean the frames up to three times: whether once more is the film's to say, and no number of the sample's."""
    going = None
    for _ in range(_MOST_CLEANINGS):
        residues = self.image_cleaning(lqs.reshape((-1,) + lqs.shape[2:])).reshape(lqs.shape)
        cleaned = lqs + residues
        lqs = cleaned if going is None else torch.where(going, cleaned, lqs)
        more = residues.abs().mean() >= self.dynamic_refine_thres
        going = more if going is None else going & more
    outputs = self.basicvsr(lqs)
    return (outputs, lqs) if return_lqs else outputs
