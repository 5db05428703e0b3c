"""Stand-ins for mmcls's attention."""

from typing import Any, Tuple

import torch

from ....context import ExportContext
from ....registry import rewrite
from ....sizes import is_traced, smaller
from ....windows import shifted_window_attention


@rewrite("mmcls.models.utils.attention.ShiftWindowMSA.forward")
def forward(
    context: ExportContext, original: Any, self: Any, query: torch.Tensor, hw_shape: Tuple[Any, Any]
) -> torch.Tensor:
    """Attend inside shifted windows of (N, H * W, C); a map that is one window wide is not shifted."""
    shift = self.shift_size
    if shift > 0 and not self.pad_small_map:
        one_window = smaller(*hw_shape) == self.window_size
        if is_traced(hw_shape):
            shift = torch.where(one_window, torch.tensor(0), torch.tensor(shift))
        elif one_window:
            shift = 0
    return self.drop(shifted_window_attention(query, hw_shape, self.window_size, shift, self.w_msa))
