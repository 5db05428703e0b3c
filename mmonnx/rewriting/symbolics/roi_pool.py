"""mmcv's RoIPool. ONNX has MaxRoiPool, which rounds a RoI before it is divided into bins; mmcv rounds the bins."""

from typing import Tuple

import torch

from ...fallback import roi_pool_forward
from .body import Body, Value
from .operator import Operator
from .sampling import repeat, to_maps


def _compute(
    features: torch.Tensor, rois: torch.Tensor, pooled_shape: Tuple[int, int], spatial_scale: float
) -> torch.Tensor:
    output = features.new_zeros((rois.shape[0], features.shape[1], *pooled_shape))
    argmax = torch.zeros(output.shape, dtype=torch.int32)
    roi_pool_forward(features, rois, output, argmax, *pooled_shape, spatial_scale)
    return output


def _edges(body: Body, low: Value, high: Value, bins: int, limit: Value) -> Tuple[Value, Value]:
    """First and last cell of every bin along an axis: (K,) ends of RoIs -> (K, bins) each, as floats."""
    side = body.unsqueeze((high - low) / float(bins), 1)
    low = body.unsqueeze(low, 1)

    first = body.op("Floor", side * body.constant([float(bin) for bin in range(bins)]) + low)
    last = body.op("Ceil", side * body.constant([float(bin + 1) for bin in range(bins)]) + low)
    return body.op("Clip", first, 0.0, limit), body.op("Clip", last, 0.0, limit) - 1.0


def _write(body: Body, features: Value, rois: Value, pooled_shape: Tuple[int, int], spatial_scale: float) -> Value:
    height, width = pooled_shape
    count = body.size(rois, 0)
    x1, y1 = (body.column(rois, index) * spatial_scale for index in (1, 2))
    x2, y2 = ((body.column(rois, index) + 1.0) * spatial_scale for index in (3, 4))
    limits = [body.cast(body.squeeze(body.size(features, axis), 0), "float") for axis in (2, 3)]
    left, right = (body.unsqueeze(edge, 1) for edge in _edges(body, x1, x2, width, limits[1]))
    top, bottom = (body.unsqueeze(edge, 2) for edge in _edges(body, y1, y2, height, limits[0]))
    shape = body.dims(1, height, width)
    edges = [body.reshape(body.op("Expand", edge, shape), -1) for edge in (left, top, right, bottom)]
    image = repeat(body, body.column(rois, 0), height * width)
    # One RoI for each bin, which has nothing left to round.
    pooled = body.op("MaxRoiPool", features, body.stack(image, *edges, axis=1), pooled_shape=[1, 1], spatial_scale=1.0)
    pooled = to_maps(body, body.reshape(pooled, 0, 0), features, count, height, width)
    empty = (right < left) | (bottom < top)
    real = (x2 > x1) & (y2 > y1)
    return body.op("Where", body.unsqueeze(~empty & body.unsqueeze(real, 1, 2), 1), pooled, 0.0)


# mmcv's own symbolic writes ONNX's MaxRoiPool, which is something else: so the same in mmcv's domain.
_ROI_POOL = Operator("MaxRoiPool", ["features", "rois"], _compute, _write)


def roi_pool(
    features: torch.Tensor, rois: torch.Tensor, output_size: Tuple[int, int], spatial_scale: float
) -> torch.Tensor:
    """The greatest cell of each of a RoI's bins.

    Args:
        features: (N, C, H, W).
        rois: (K, 5) image, x1, y1, x2, y2 in pixels of the network's input, the last ones included.
        output_size: (h, w), bins per RoI.
        spatial_scale: size of the features over size of the input.

    Returns:
        (K, C, h, w), 0 where a bin has no cell.
    """
    size = (int(output_size[0]), int(output_size[1]))
    return _ROI_POOL(features, rois, pooled_shape=size, spatial_scale=float(spatial_scale))
