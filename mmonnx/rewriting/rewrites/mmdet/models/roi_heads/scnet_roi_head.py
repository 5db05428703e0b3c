"""Stand-in for ``mmdet/models/roi_heads/scnet_roi_head.py``."""

from typing import Any

import torch

from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmdet.models.roi_heads.scnet_roi_head.SCNetRoIHead._fuse_glbctx")
def fuse_glbctx(
    context: ExportContext,
    original: Any,
    self: Any,
    roi_feats: torch.Tensor,
    glbctx_feat: torch.Tensor,
    rois: torch.Tensor,
) -> torch.Tensor:
    """Add to (K, C, h, w) features those (N, C, 1, 1) of each RoI's image; upstream goes from image to image."""
    return roi_feats + glbctx_feat[rois[:, 0].long()]
