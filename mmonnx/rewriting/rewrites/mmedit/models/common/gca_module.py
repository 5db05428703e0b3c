"""Stand-ins for the guided contextual attention of GCA Matting."""

from typing import Any

import torch
from torch.nn import functional

from ....context import ExportContext
from ....overlapping import fold
from ....registry import rewrite

_PATH = "mmedit.models.common.gca_module.GCAModule"


@rewrite(f"{_PATH}.forward")
def forward(
    context: ExportContext,
    original: Any,
    self: Any,
    img_feat: torch.Tensor,
    alpha_feat: torch.Tensor,
    unknown: Any = None,
    softmax_scale: float = 1.0,
) -> torch.Tensor:
    """(N, C, H, W) of any batch and size; upstream's goes through the images one by one, in Python.

    Its convolutions by an image's own patches are products of matrices here.
    """
    if self.rate == 1 or self.stride != 1:
        return original(self, img_feat, alpha_feat, unknown, softmax_scale)
    guide = functional.interpolate(self.guidance_conv(img_feat), scale_factor=1 / self.rate, mode=self.interpolation)
    unknown, scale = self.process_unknown_mask(unknown, guide, softmax_scale)
    patches, alpha_patches, unknown_patches = self.extract_feature_maps_patches(guide, alpha_feat, unknown)
    patches, alpha_patches = patches.flatten(2), alpha_patches.flatten(2)
    unknown_patches = unknown_patches.flatten(1)[:, :, None]  # (N, L, 1)
    norms = torch.sqrt((patches**2).sum(2, keepdim=True)).clamp(min=self.eps)
    similarity = torch.bmm(patches / norms, patches.transpose(1, 2))  # (N, L, L)
    is_unknown = (unknown_patches > 0).to(guide)
    similarity = similarity * (scale[:, :1, None] * is_unknown + scale[:, 1:, None] * (1 - is_unknown))
    places = torch.arange(similarity.shape[1], device=guide.device)
    itself = (places[:, None] == places).to(guide) * self.penalty
    score = functional.softmax(similarity + itself * unknown_patches, dim=1)
    columns = torch.bmm(alpha_patches.transpose(1, 2), score)
    out = fold(columns, guide.shape[2:], 2 * self.rate, self.rate, 1) / 4.0
    return self.out_conv(out) + alpha_feat
