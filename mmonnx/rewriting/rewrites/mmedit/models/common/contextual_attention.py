"""Stand-ins for the attention of DeepFill: patches of a picture's known part fill in the unknown one."""

from typing import Any, Sequence, Tuple

import torch
from torch.nn import functional

from ....context import ExportContext
from ....overlapping import fold
from ....registry import rewrite
from ....sizes import floor_divide

_PATH = "mmedit.models.common.contextual_attention.ContextualAttentionModule"


@rewrite(f"{_PATH}.patch_correlation")
def patch_correlation(
    context: ExportContext, original: Any, self: Any, x: torch.Tensor, kernel: torch.Tensor
) -> torch.Tensor:
    """How like the patches of each image are, (N, L, h, w); upstream's is a convolution of N groups.

    Args:
        x: (N, C, h, w).
        kernel: (N * L, C, k, k), the patches of the images one after the other.
    """
    size, side = x.shape[2:], int(kernel.shape[-1])
    columns = functional.unfold(
        x, side, dilation=self.unfold_corr_dilation, padding=self.unfold_corr_padding, stride=self.unfold_corr_stride
    )
    features = int(kernel.shape[1]) * side**2
    found = torch.bmm(kernel.reshape(x.shape[0], -1, features), columns)
    height, width = unfolded(self, size)
    return found.reshape(x.shape[0], -1, height, width)


@rewrite(f"{_PATH}.patch_copy_deconv")
def patch_copy_deconv(
    context: ExportContext, original: Any, self: Any, attention_score: torch.Tensor, context_filter: torch.Tensor
) -> torch.Tensor:
    """(N, C, H, W) patches, weighted by attention; upstream's is a deconvolution of N groups.

    Args:
        attention_score: (N, L, h, w).
        context_filter: (N * L, C, k, k), the patches of the images one after the other.
    """
    number, size = attention_score.shape[0], attention_score.shape[2:]
    side = int(context_filter.shape[-1])
    features = int(context_filter.shape[1]) * side**2
    patches = context_filter.reshape(number, -1, features).permute(0, 2, 1)
    return fold(
        torch.bmm(patches, attention_score.flatten(2)), size, side, self.unfold_raw_stride, self.unfold_raw_padding
    )


@rewrite(f"{_PATH}.calculate_unfold_hw")
def calculate_unfold_hw(
    context: ExportContext,
    original: Any,
    self: Any,
    input_size: Sequence[Any],
    kernel_size: int = 3,
    stride: int = 1,
    dilation: int = 1,
    padding: int = 0,
) -> Tuple[Any, Any]:
    """How many patches lie below and beside each other; upstream's makes numbers of the sizes."""
    reach = dilation * (kernel_size - 1) + 1
    height, width = (floor_divide(side + 2 * padding - reach, stride) + 1 for side in input_size)
    return height, width


def unfolded(module: Any, size: Sequence[Any]) -> Tuple[Any, Any]:
    """How many patches a module compares, of a map of (h, w)."""
    return module.calculate_unfold_hw(
        size,
        kernel_size=module.unfold_corr_kernel_size,
        stride=module.unfold_corr_stride,
        padding=module.unfold_corr_padding,
        dilation=module.unfold_corr_dilation,
    )
