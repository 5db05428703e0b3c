"""Stand-in for mmedit's warping of maps by a flow."""

from typing import Any

import torch
from torch.nn import functional

from ....context import ExportContext
from ....registry import rewrite
from ....sizes import at_least_zero


@rewrite("mmedit.models.common.flow_warp.flow_warp")
def flow_warp(
    context: ExportContext,
    original: Any,
    x: torch.Tensor,
    flow: torch.Tensor,
    interpolation: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool = True,
) -> torch.Tensor:
    """(N, C, H, W) sampled where a flow (N, H, W, 2) of columns and rows points: upstream's steps are of the sample."""
    height, width = x.shape[2:]
    columns = torch.arange(width, device=flow.device).to(x) + flow[..., 0]
    rows = torch.arange(height, device=flow.device).to(x)[:, None] + flow[..., 1]
    places = [2.0 * place / _steps(side).to(x) - 1.0 for place, side in ((columns, width), (rows, height))]
    return functional.grid_sample(x, torch.stack(places, 3), interpolation, padding_mode, align_corners)


def _steps(side: Any) -> torch.Tensor:
    """How many steps it is from one end of an axis to the other, one at least."""
    return torch.as_tensor(at_least_zero(side - 2) + 1)
