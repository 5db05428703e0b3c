"""mmcv's deformable RoI pooling: RoIAlign whose bins are moved, here each a RoI of its own."""

from typing import List, Optional, Tuple

import torch

from ...fallback import deform_roi_pool_forward
from .body import Body, Value
from .operator import Operator
from .sampling import HALF_PIXEL_OPSET, Maps, align, repeat, steps, to_maps

_MARGIN = 1e-4
"""How far from a whole number of cells a bin is put that rounding would give one sample more or less."""


def _compute(
    features: torch.Tensor,
    rois: torch.Tensor,
    offset: torch.Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: float,
    gamma: float,
) -> torch.Tensor:
    output = features.new_zeros((rois.shape[0], features.shape[1], pooled_height, pooled_width))
    sizes = (pooled_height, pooled_width, spatial_scale, int(sampling_ratio), gamma)
    deform_roi_pool_forward(features, rois, offset, output, *sizes)
    return output


def _shifts(body: Body, offset: Value, count: Value, bins: int) -> Value:
    """(K, 2, bins) of any offsets: where there are none, they are filled up with zeros."""
    length = count * (2 * bins)
    flat = body.op("Concat", body.reshape(offset, -1), body.op("Expand", 0.0, length), axis=0)
    return body.reshape(body.slice(flat, 0, 0, length), count, 2, bins)


def _adaptive(body: Body, starts: List[Value], sides: List[Value]) -> Value:
    """(K * bins, 4) boxes of which RoiAlign takes the samples that mmcv takes of bins of (K, 1) sides."""
    low, high = [], []
    for start, side in zip(starts, sides):
        cells = body.op("Ceil", side)
        # RoiAlign counts the cells from the ends of the box: where rounding adds or takes one, the box is adjusted.
        same = body.op("Equal", body.op("Ceil", start + side - start), cells)
        adjusted = body.op("Min", body.op("Max", side, cells - (1 - _MARGIN)), cells - _MARGIN)
        length = body.op("Where", same, side, adjusted)
        first = body.op("Where", same, start, start + (side - length) * 0.5)
        # Of a bin within one cell the only sample is in the middle. RoiAlign makes half a cell a whole one.
        small = ~(side > 1.0)
        first = body.op("Where", small, start + side * 0.5 - 0.5, first)
        low.append(body.reshape(first, -1))
        high.append(body.reshape(first + body.op("Where", small, 0.5, length), -1))
    return body.stack(*low, *high, axis=1)


def _write(
    body: Body,
    features: Value,
    rois: Value,
    offset: Value,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: float,
    gamma: float,
) -> Value:
    size, bins, ratio = (pooled_height, pooled_width), pooled_height * pooled_width, int(sampling_ratio)
    count = body.size(rois, 0)
    shifts = _shifts(body, offset, count, bins)
    low = [body.column(rois, index) * spatial_scale - 0.5 for index in (1, 2)]
    lengths = [body.column(rois, index) * spatial_scale - 0.5 - one for index, one in zip((3, 4), low)]
    lengths = [body.unsqueeze(length, 1) for length in lengths]
    moved = [
        body.unsqueeze(one, 1) + length * gamma * body.column(shifts, axis)
        for axis, one, length in zip((0, 1), low, lengths)
    ]
    image = repeat(body, body.cast(body.column(rois, 0), "int64"), bins)
    if ratio > 0 and body.opset < HALF_PIXEL_OPSET:
        parts, maps = [], Maps(body, features)
        for shares in steps(size, ratio):
            x, y = (
                body.reshape(one + length * body.constant(share), -1)
                for one, length, share in zip(moved, lengths, shares)
            )
            parts.append(maps.sample(image, x, y))
        rows = sum(parts[1:], parts[0]) * (1 / ratio**2)
        return to_maps(body, rows, features, count, *size)
    corners = [[float(index % pooled_width) for index in range(bins)], [float(i // pooled_width) for i in range(bins)]]
    sides = [length / float(number) for length, number in zip(lengths, (pooled_width, pooled_height))]
    starts = [one + side * body.constant(corner) for one, side, corner in zip(moved, sides, corners)]
    if ratio > 0:
        low = [body.reshape(start, -1) for start in starts]
        high = [body.reshape(start + side, -1) for start, side in zip(starts, sides)]
        rows = align(body, features, image, body.stack(*low, *high, axis=1), ratio, exact=True)
        return to_maps(body, rows, features, count, *size)
    rows = align(body, features, image, _adaptive(body, starts, sides), 0)
    # Of RoIs without extent mmcv takes no sample.
    real = body.unsqueeze((lengths[0] > 0.0) & (lengths[1] > 0.0), 2, 3)
    return body.op("Where", real, to_maps(body, rows, features, count, *size), 0.0)


_DEFORM_ROI_POOL = Operator("MMCVDeformRoIPool", ["features", "rois", "offset"], _compute, _write)


def deform_roi_pool(
    features: torch.Tensor,
    rois: torch.Tensor,
    offset: Optional[torch.Tensor],
    output_size: Tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    gamma: float = 0.1,
) -> torch.Tensor:
    """Average of the samples of each of a RoI's bins, after the bin was moved.

    Args:
        features: (N, C, H, W).
        rois: (K, 5) image, x1, y1, x2, y2 in pixels of the network's input.
        offset: (K, 2, h, w), columns before rows, in RoI sizes times ``gamma``; None for no move.
        output_size: (h, w), bins per RoI.
        spatial_scale: size of the features over size of the input.
        sampling_ratio: samples per bin and axis, 0 for as many as a bin has cells.
        gamma: a factor of the offsets.

    Returns:
        (K, C, h, w)
    """
    return _DEFORM_ROI_POOL(
        features,
        rois,
        features.new_zeros(0) if offset is None else offset,
        pooled_height=int(output_size[0]),
        pooled_width=int(output_size[1]),
        spatial_scale=float(spatial_scale),
        sampling_ratio=float(max(0, sampling_ratio)),  # mmcv's symbolic has it as a float
        gamma=float(gamma),
    )
