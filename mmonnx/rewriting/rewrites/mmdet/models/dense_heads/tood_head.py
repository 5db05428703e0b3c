"""Stand-in for ``mmdet/models/dense_heads/tood_head.py``."""

from typing import Any, Sequence, Tuple

import torch

from ......environment import compat
from ....context import ExportContext
from ....registry import rewrite
from .base_dense_head import for_each_image

Maps = Tuple[torch.Tensor, ...]


@rewrite("mmdet.models.dense_heads.tood_head.TOODHead.forward")
def forward(context: ExportContext, original: Any, self: Any, feats: Sequence[torch.Tensor]) -> Tuple[Maps, Maps]:
    """Upstream's head for any number of images: its own loop over them is unrolled by the tracer.

    Args:
        feats: per level (N, C, H, W).

    Returns:
        Per level the scores (N, classes, H, W), and the boxes (N, 4, H, W) in units of the level's stride.
    """
    found = [_level(context, self, x, scale, level) for level, (x, scale) in enumerate(zip(feats, self.scales))]
    scores, boxes = zip(*found)
    return scores, boxes


def _level(
    context: ExportContext, self: Any, x: torch.Tensor, scale: Any, level: int
) -> Tuple[torch.Tensor, torch.Tensor]:
    from mmdet.models.dense_heads.tood_head import sigmoid_geometric_mean

    size = x.shape[2:]
    stride = self.prior_generator.strides[level][0]
    anchors = self.prior_generator.single_level_grid_priors(size, level, device=x.device)
    maps = []
    for convolution in self.inter_convs:
        x = convolution(x)
        maps.append(x)
    feat = torch.cat(maps, 1)
    mean = feat.mean((2, 3), keepdim=True)
    scores = sigmoid_geometric_mean(self.tood_cls(self.cls_decomp(feat, mean)), self.cls_prob_module(feat))
    boxes = _decode(self, self.tood_reg(self.reg_decomp(feat, mean)), scale, for_each_image(context, anchors), stride)
    boxes = boxes.reshape(-1, size[0], size[1], 4).permute(0, 3, 1, 2)
    moved = self.deform_sampling(boxes.contiguous(), self.reg_offset_module(feat).contiguous())
    # what was turned inside out stays where it was
    invalid = (moved[:, [0]] > moved[:, [2]]) | (moved[:, [1]] > moved[:, [3]])
    return scores, torch.where(invalid, boxes, moved)


def _decode(self: Any, regression: torch.Tensor, scale: Any, anchors: torch.Tensor, stride: int) -> torch.Tensor:
    """Boxes (N * S, 4) in strides from maps (N, 4, H, W) and anchors (N * S, 4) in pixels."""
    distance2bbox = compat.upstream("mmdet.core.bbox.transforms.distance2bbox")

    if self.anchor_type == "anchor_free":
        distances = scale(regression.exp()).float().permute(0, 2, 3, 1).reshape(-1, 4)
        return distance2bbox(self.anchor_center(anchors) / stride, distances)
    deltas = scale(regression).float().permute(0, 2, 3, 1).reshape(-1, 4)
    return self.bbox_coder.decode(anchors, deltas) / stride
