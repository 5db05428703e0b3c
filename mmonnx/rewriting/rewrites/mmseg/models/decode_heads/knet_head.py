"""Stand-ins for the head of K-Net."""

from typing import Any, Optional, Tuple

import torch
from torch.nn import functional

from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmseg.models.decode_heads.knet_head.KernelUpdateHead.forward")
def forward(
    context: ExportContext,
    original: Any,
    self: Any,
    x: torch.Tensor,
    proposal_feat: torch.Tensor,
    mask_preds: torch.Tensor,
    mask_shape: Optional[Tuple[Any, Any]] = None,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Masks (N, P, H, W) and kernels (N, P, C, k, k), by kernels that are one stage better.

    Upstream convolves image by image, and their number would be of the trace.

    Args:
        x: (N, C, H, W).
        proposal_feat: (N, P, C, k, k) the kernels so far.
        mask_preds: (N, P, h, w) what they gave.
        mask_shape: the size of the masks, None for that of ``x``.
    """
    count, channels, side = int(proposal_feat.shape[1]), self.in_channels, self.conv_kernel_size
    x = x if self.feat_transform is None else self.feat_transform(x)
    weights = _resized(mask_preds, x.shape[2:]).softmax(1)
    gathered = torch.einsum("bnhw,bchw->bnc", weights, x)
    kernels = proposal_feat.reshape(-1, count, channels, side * side).permute(0, 1, 3, 2)
    kernels = self.kernel_update_conv(gathered, kernels).reshape(-1, count, side * side * channels)
    kernels = self.attention_norm(self.attention(kernels.permute(1, 0, 2))).permute(1, 0, 2)
    kernels = kernels.reshape(-1, count, side * side, channels)
    if self.with_ffn:
        kernels = self.ffn_norm(self.ffn(kernels))
    filters = kernels
    for layer in self.mask_fcs:
        filters = layer(filters)
    halved = self.mask_transform_stride == 2 and self.feat_gather_stride == 1
    maps = functional.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=False) if halved else x
    masks = _filtered(maps, self.fc_mask(filters), side)
    if self.mask_transform_stride == 2:
        masks = functional.interpolate(masks, scale_factor=2, mode="bilinear", align_corners=False)
    masks = masks if mask_shape is None else _resized(masks, mask_shape)
    return masks, kernels.permute(0, 1, 3, 2).reshape(-1, count, channels, side, side)


def _filtered(maps: torch.Tensor, filters: torch.Tensor, side: int) -> torch.Tensor:
    """Maps (N, C, H, W) by the filters (N, P, side * side, C) of each image: (N, P, H, W)."""
    (height, width), reach = maps.shape[2:], side // 2
    padded = functional.pad(maps, [reach] * 4) if reach else maps
    taps = []
    for tap in range(side * side):
        down, across = divmod(tap, side)
        shifted = padded[:, :, down : down + height, across : across + width] if reach else padded
        taps.append(torch.matmul(filters[:, :, tap], shifted.flatten(2)))
    return sum(taps[1:], taps[0]).reshape(-1, int(filters.shape[1]), height, width)


def _resized(maps: torch.Tensor, size: Any) -> torch.Tensor:
    """Maps of another size; those that have it stay as they are."""
    return functional.interpolate(maps, tuple(size), mode="bilinear", align_corners=False)
