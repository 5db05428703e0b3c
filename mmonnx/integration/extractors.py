"""A RoI extractor that configs can name. This module imports mmdet; ``mmonnx.enable`` registers the class."""

from typing import Any, Optional, Sequence

import torch
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor


class NonZeroRoIExtractor(SingleRoIExtractor):
    """mmdet's ``SingleRoIExtractor``, which whatever exporter writes in the NonZero form of PPLNN's guide.

    Its arguments, weights and results are those of its base; only what ONNX exporters trace is another form: each RoI
    is pooled on its own level alone, where the base pools every RoI on every level.
    """

    def forward(
        self, feats: Sequence[torch.Tensor], rois: torch.Tensor, roi_scale_factor: Optional[float] = None
    ) -> torch.Tensor:
        """Pool (K, 5) RoIs ``(image, x1, y1, x2, y2)`` on pyramid features (N, C, H, W) into (K, C, h, w)."""
        if not torch.onnx.is_in_onnx_export() or len(feats) == 1:
            return super().forward(feats, rois, roi_scale_factor)
        target = self.map_roi_levels(rois, len(feats))
        if roi_scale_factor is not None:
            rois = self.roi_rescale(rois, roi_scale_factor)
        rows = [torch.nonzero(target == level).squeeze(1) for level in range(len(feats))]
        pooled = [layer(feature, rois[row]) for layer, feature, row in zip(self.roi_layers, feats, rows)]
        return torch.cat(pooled)[_inverse(torch.cat(rows))]


def _inverse(permutation: torch.Tensor) -> Any:
    # sorting a permutation gives its inverse; as float, since runtimes lack TopK for integers
    return permutation.to(torch.float32).topk(permutation.shape[0], largest=False)[1]
