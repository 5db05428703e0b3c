"""ONNX RoiAlign, standing for mmcv's and torchvision's."""

from typing import Any, List, Tuple

import torch
import torchvision  # noqa: F401  registers the kernel
from torch.autograd import Function

from .sampling import HALF_PIXEL_OPSET

LEAST_BINS = 4
"""With fewer, a window of two cells has less than two bins on each side of the one in its middle."""


class _RoiAlign(Function):
    @staticmethod
    def forward(
        ctx: Any,
        features: torch.Tensor,
        boxes: torch.Tensor,
        index: torch.Tensor,
        output_size: Tuple[int, int],
        scale: float,
        sampling_ratio: int,
        aligned: bool,
        opset: int,
    ) -> torch.Tensor:
        rois = torch.cat([index.to(boxes)[:, None], boxes], 1)
        # the kernel: torchvision's function may have a stand-in that leads here
        return torch.ops.torchvision.roi_align(features, rois, scale, *output_size, sampling_ratio, aligned)

    @staticmethod
    def symbolic(
        g: Any,
        features: Any,
        boxes: Any,
        index: Any,
        output_size: Tuple[int, int],
        scale: float,
        sampling_ratio: int,
        aligned: bool,
        opset: int,
    ) -> Any:
        attributes = dict(
            output_height_i=output_size[0],
            output_width_i=output_size[1],
            spatial_scale_f=scale,
            sampling_ratio_i=sampling_ratio,
            mode_s="avg",
        )
        if opset >= HALF_PIXEL_OPSET:
            attributes["coordinate_transformation_mode_s"] = "half_pixel" if aligned else "output_half_pixel"
        elif aligned:  # the operator of opset 10 has no half pixel of its own
            half = g.op("Constant", value_t=torch.tensor([0.5 / scale], dtype=torch.float32))
            boxes = g.op("Sub", boxes, half)
        return g.op("RoiAlign", features, boxes, index, **attributes)


def roi_align(
    features: torch.Tensor,
    boxes: torch.Tensor,
    index: torch.Tensor,
    output_size: Tuple[int, int],
    scale: float,
    sampling_ratio: int,
    aligned: bool,
    opset: int,
) -> torch.Tensor:
    """Pool one feature grid per RoI.

    Args:
        features: (N, C, H, W).
        boxes: (K, 4) ``(x1, y1, x2, y2)`` in pixels of the network's input.
        index: (K,) int64, the image of each box.
        output_size: (h, w) of the grids.
        scale: size of the features over size of the input.
        sampling_ratio: samples per bin and axis, 0 for as many as the RoI's size asks for.
        aligned: half-pixel correct coordinates.
        opset: opset of the file; below 16 ONNX makes every RoI at least one feature cell wide and high.

    Returns:
        (K, C, h, w).
    """
    size = (int(output_size[0]), int(output_size[1]))
    return _RoiAlign.apply(
        features, boxes, index, size, float(scale), max(0, int(sampling_ratio)), bool(aligned), int(opset)
    )


def window_lines(bins: int) -> Tuple[Tuple[List[float], List[float]], Tuple[List[float], List[float]]]:
    """A window's bins as lines through its two intervals between cells.

    Features are linear between two cells. So what lies at a place follows from the interval's outermost bins, and the
    bin that has a cell inside is not used: its samples may be on both sides of it.

    Returns:
        For each interval the value and the slope of each bin's share, by the place in cells.
    """
    found = []
    for first, last in ((0, bins // 2 - 1), ((bins + 1) // 2, bins - 1)):
        one, two = ((number + 0.5) * 2 / bins for number in (first, last))
        value, slope = [0.0] * bins, [0.0] * bins
        value[first], value[last] = two / (two - one), -one / (two - one)
        slope[first], slope[last] = -1 / (two - one), 1 / (two - one)
        found.append((value, slope))
    return found[0], found[1]
