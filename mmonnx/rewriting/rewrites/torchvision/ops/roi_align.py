"""Stand-in for ``torchvision/ops/roi_align.py``."""

from typing import Any

import torch
from torch.nn.modules.utils import _pair
from torchvision.ops._utils import convert_boxes_to_roi_format

from ....symbolics import HALF_PIXEL_OPSET, roi_align_rotated
from ....symbolics import roi_align as pool
from ...context import ExportContext
from ...registry import rewrite


@rewrite("torchvision.ops.roi_align.roi_align")
def roi_align(
    context: ExportContext,
    original: Any,
    input: torch.Tensor,
    boxes: Any,
    output_size: Any,
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> torch.Tensor:
    """Pool (N, C, H, W) features at (K, 5) RoIs, or at (k, 4) boxes of each image.

    torchvision's own symbolic writes other places for aligned ones before opset 16, with no more than a warning, and
    that of torchvision 0.14 for all others from it on. Before it ONNX's operator has no aligned ones, nor regions
    thinner than a cell: the one for rotated boxes has both.
    """
    half_pixel = context.opset >= HALF_PIXEL_OPSET
    if not torch.jit.is_tracing() or not (aligned or half_pixel):
        return original(input, boxes, output_size, spatial_scale, sampling_ratio, aligned)
    rois = boxes if isinstance(boxes, torch.Tensor) else convert_boxes_to_roi_format(boxes)
    size = tuple(_pair(output_size))
    if half_pixel:
        return pool(input, rois[:, 1:], rois[:, 0].long(), size, spatial_scale, sampling_ratio, aligned, context.opset)
    corners = rois[:, 1:3], rois[:, 3:5]
    upright = torch.zeros_like(rois[:, :1])
    turned = torch.cat([rois[:, :1], (corners[0] + corners[1]) / 2, corners[1] - corners[0], upright], 1)
    return roi_align_rotated(input, turned, size, spatial_scale, sampling_ratio)
