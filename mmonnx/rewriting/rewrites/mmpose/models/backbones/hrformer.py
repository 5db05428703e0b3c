"""Stand-ins for HRFormer."""

from typing import Any

import torch
from torch.nn.functional import pad

from ....context import ExportContext
from ....registry import rewrite
from ....sizes import floor_divide
from ....windows import join, padded, partition


@rewrite("mmpose.models.backbones.hrformer.LocalWindowSelfAttention.forward")
def forward(
    context: ExportContext, original: Any, self: Any, x: torch.Tensor, H: Any, W: Any, **kwargs: Any
) -> torch.Tensor:
    """Attend inside the windows of (N, H * W, C), padded on all sides; upstream computes how far in Python."""
    window, channels = self.window_size, int(x.shape[2])
    full = padded((H, W), window)
    top, left = (floor_divide(long - short, 2) for long, short in zip(full, (H, W)))
    around = (0, 0, left, full[1] - W - left, top, full[0] - H - top)
    cells = window[0] * window[1]

    def windows(maps: torch.Tensor) -> torch.Tensor:
        return partition(pad(maps, around), full, window).reshape(-1, cells, int(maps.shape[3]))

    mask = None
    if self.with_pad_mask:
        there = windows(torch.ones_like(x[:1, :, :1]).reshape(1, H, W, 1)).transpose(1, 2) > 0
        # upstream masks what is padded in both directions alone
        sides = [torch.as_tensor(long - short, device=x.device) for long, short in zip(full, (H, W))]
        seen = there | (sides[0] <= 0) | (sides[1] <= 0)
        mask = torch.where(seen, x.new_zeros(1), x.new_full((1,), -float("inf"))).expand(-1, cells, -1)
    out = self.attn(windows(x.reshape(-1, H, W, channels)), mask, **kwargs)
    return join(out, full, window, channels)[:, top : top + H, left : left + W].reshape(-1, H * W, channels)
