"""Stand-in for ``mmdet/models/dense_heads/ga_retina_head.py``."""

from typing import Any

import torch

from ....context import ExportContext
from ....registry import rewrite
from .guided_anchor_head import Maps, location_mask


@rewrite("mmdet.models.dense_heads.ga_retina_head.GARetinaHead.forward_single")
def forward_single(context: ExportContext, original: Any, self: Any, x: torch.Tensor) -> Maps:
    """As ``GuidedAnchorHead.forward_single``, with towers of their own for classes and boxes (N, C, H, W)."""
    classes = boxes = x
    for convolution in self.cls_convs:
        classes = convolution(classes)
    for convolution in self.reg_convs:
        boxes = convolution(boxes)
    location, shape = self.conv_loc(classes), self.conv_shape(boxes)
    mask = location_mask(self, location)
    scores = self.retina_cls(self.feature_adaption_cls(classes, shape), mask)
    return scores, self.retina_reg(self.feature_adaption_reg(boxes, shape), mask), shape, location
