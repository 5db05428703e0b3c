"""Stand-ins for BasicVSR's network."""

from typing import Any

import torch
from torch.nn import functional

from .....context import ExportContext
from .....registry import rewrite
from .....sizes import ceil_divide

_PATH = "mmedit.models.backbones.sr_backbones.basicvsr_net"
_COARSE = 32
"""What the sides are multiples of that the flow is sought in."""


@rewrite(f"{_PATH}.BasicVSRNet.check_if_mirror_extended")
def check_if_mirror_extended(context: ExportContext, original: Any, self: Any, lrs: torch.Tensor) -> None:
    """Seek the flow both ways: of a film that runs back and forth one is the other, which upstream saves time by."""
    self.is_mirror_extended = False


@rewrite(f"{_PATH}.SPyNet.forward")
def spynet(context: ExportContext, original: Any, self: Any, ref: torch.Tensor, supp: torch.Tensor) -> torch.Tensor:
    """(N, 2, H, W), the flow from one picture to another: the sides that it is sought in are numbers upstream."""
    sides = tuple(ref.shape[2:4])
    coarse = tuple(ceil_divide(side, _COARSE) * _COARSE for side in sides)
    ref, supp = (functional.interpolate(one, size=coarse, mode="bilinear", align_corners=False) for one in (ref, supp))
    flow = functional.interpolate(self.compute_flow(ref, supp), size=sides, mode="bilinear", align_corners=False)
    height, width = (torch.as_tensor(side).double() / torch.as_tensor(more) for side, more in zip(sides, coarse))
    return flow * torch.stack([width, height]).to(flow)[:, None, None]
