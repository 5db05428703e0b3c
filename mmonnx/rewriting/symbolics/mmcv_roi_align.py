"""mmcv's RoIAlign. Its body is ONNX's, where that does the same, and what the two do otherwise."""

from typing import Any, Dict, Tuple

import torch
import torchvision

from ...support import ExportError
from .body import Body, Value
from .operator import Operator
from .roi_align import LEAST_BINS, window_lines
from .sampling import HALF_PIXEL_OPSET, Maps, repeat, steps, to_maps

MMCV_ROI_ALIGN = "MMCVRoiAlign"


def _compute(
    features: torch.Tensor,
    rois: torch.Tensor,
    output_height: int,
    output_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    mode: str,
    aligned: int,
) -> torch.Tensor:
    settings = ((output_height, output_width), spatial_scale, sampling_ratio)
    if mode == "max":  # torchvision has the average only
        from mmcv.ops.roi_align import RoIAlignFunction

        return RoIAlignFunction.apply(features, rois, *settings, mode, bool(aligned))
    return torchvision.ops.roi_align(features, rois, *settings, bool(aligned))


def _write(
    body: Body,
    features: Value,
    rois: Value,
    output_height: int,
    output_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    mode: str,
    aligned: int,
) -> Value:
    image, size = body.cast(body.column(rois, 0), "int64"), (output_height, output_width)
    if mode == "max":
        return _greatest(body, features, rois, image, size, spatial_scale, sampling_ratio, aligned)
    boxes = body.slice(rois, 1, 1, 5)
    settings: Dict[str, Any] = dict(output_height=output_height, output_width=output_width, mode=mode)
    settings.update(spatial_scale=spatial_scale, sampling_ratio=sampling_ratio)
    if body.opset >= HALF_PIXEL_OPSET:
        settings["coordinate_transformation_mode"] = "half_pixel" if aligned else "output_half_pixel"
        return body.op("RoiAlign", features, boxes, image, **settings)
    if not aligned:
        return body.op("RoiAlign", features, boxes, image, **settings)
    return _with_thin(body, features, boxes, image, settings)


def _with_thin(body: Body, features: Value, boxes: Value, image: Value, settings: Any) -> Value:
    """Below opset 16, where ONNX's operator makes every RoI at least one cell wide and high.

    A RoI that is thinner is pooled on a window of two cells, and PyTorch's samples are read off the lines through the
    window's bins: what lies between cells is linear.
    """
    size = (settings["output_width"], settings["output_height"])
    if min(size) < LEAST_BINS:
        raise ExportError(
            f"mmcv::{MMCV_ROI_ALIGN} with output_height {size[1]}, output_width {size[0]} and aligned 1 cannot be "
            f"written at opset {body.opset}: {LEAST_BINS} bins or more were expected; export at opset "
            f"{HALF_PIXEL_OPSET} or later"
        )
    scale = settings["spatial_scale"]
    corners = [body.slice(boxes, 1, 0, 2), body.slice(boxes, 1, 2, 4)]
    low = corners[0] * scale - 0.5
    extent = corners[1] * scale - 0.5 - low
    first, thin = body.op("Floor", low), extent < 1.0
    begin = body.op("Where", thin, (first + 0.5) / scale, corners[0])
    end = body.op("Where", thin, (first + 2.5) / scale, corners[1])
    windows = body.op("Concat", begin, end, axis=1) - 0.5 / scale
    pooled = body.op("RoiAlign", features, windows, image, **settings)
    rows = body.squeeze(body.op("NonZero", body.reduce("ReduceMin", extent, 1) < 1.0), 0)
    low, extent = (body.op("Gather", value, rows, axis=0) for value in (low, extent))
    x, y = (
        _shares(body, body.column(low, axis), body.column(extent, axis), size[axis], settings["sampling_ratio"])
        for axis in (0, 1)
    )
    values = body.op("MatMul", body.unsqueeze(y, 1), body.op("Gather", pooled, rows, axis=0))
    values = body.op("MatMul", values, body.unsqueeze(body.op("Transpose", x, perm=[0, 2, 1]), 1))
    return body.op("ScatterND", pooled, body.unsqueeze(rows, 1), values)


def _shares(body: Body, low: Value, extent: Value, bins: int, ratio: int) -> Value:
    """(T, bins, bins): the share of each bin of a window in each of PyTorch's; the identity where it is not thin."""
    low, extent = body.unsqueeze(low, 1), body.unsqueeze(extent, 1)
    width = extent / float(bins)
    start = width * body.constant([float(number) for number in range(bins)]) + (low - body.op("Floor", low))
    (near, rise), (far, climb) = ([body.constant(line) for line in pair] for pair in window_lines(bins))
    shares, samples = [], max(1, ratio)
    for sample in range(samples):
        place = body.unsqueeze(start + width * ((sample + 0.5) / samples), 2)
        shares.append(body.op("Where", place < 1.0, place * rise + near, place * climb + far))
    share = sum(shares[1:], shares[0]) / float(samples)
    if not ratio:
        # PyTorch takes no sample of a RoI without extent, so that its features are zero
        share = body.op("Where", body.unsqueeze(extent, 2) > 0.0, share, 0.0)
    cells = [float(row == column) for row in range(bins) for column in range(bins)]
    identity = body.reshape(body.constant(cells), bins, bins)
    return body.op("Where", body.unsqueeze(extent, 2) < 1.0, share, identity)


def _greatest(
    body: Body,
    features: Value,
    rois: Value,
    image: Value,
    size: Tuple[int, int],
    scale: float,
    ratio: int,
    aligned: int,
) -> Value:
    """The maximum of a bin's samples. ONNX Runtime's own is that of the corners of its samples, which is another."""
    if ratio <= 0:
        raise ExportError(
            f"mmcv::{MMCV_ROI_ALIGN} with mode 'max' and sampling_ratio {ratio} cannot be written in standard "
            "operators: 1 or more was expected; give the layer a sampling_ratio, or use mode 'avg'"
        )
    x1, y1, x2, y2 = (body.column(rois, index) * scale for index in (1, 2, 3, 4))
    if aligned:
        x1, y1, x2, y2 = x1 - 0.5, y1 - 0.5, x2 - 0.5, y2 - 0.5
    sides = [x2 - x1, y2 - y1]
    if not aligned:
        sides = [body.op("Where", side < 1.0, 1.0, side) for side in sides]
    (height, width), maps, found = size, Maps(body, features), []
    images = repeat(body, image, height * width)
    for across, down in steps(size, ratio):
        x = body.unsqueeze(x1, 1) + body.unsqueeze(sides[0], 1) * body.constant(across)
        y = body.unsqueeze(y1, 1) + body.unsqueeze(sides[1], 1) * body.constant(down)
        found.append(maps.sample(images, body.reshape(x, -1), body.reshape(y, -1)))
    rows = found[0] if len(found) == 1 else body.op("Max", *found)
    return to_maps(body, rows, features, body.size(rois, 0), height, width)


_ROI_ALIGN = Operator(MMCV_ROI_ALIGN, ["features", "rois"], _compute, _write)


def mmcv_roi_align(
    features: torch.Tensor,
    rois: torch.Tensor,
    output_size: Tuple[int, int],
    scale: float,
    sampling_ratio: int,
    mode: str,
    aligned: bool,
) -> torch.Tensor:
    """Pool one feature grid per RoI, exactly as PyTorch does at every opset.

    Args:
        features: (N, C, H, W).
        rois: (K, 5) ``(image, x1, y1, x2, y2)`` in pixels of the network's input.
        output_size: (h, w) of the grids.
        scale: size of the features over size of the input.
        sampling_ratio: samples per bin and axis, 0 for as many as the RoI's size asks for.
        mode: ``avg``, or ``max`` with a sampling ratio of 1 or more.
        aligned: half-pixel correct coordinates.

    Returns:
        (K, C, h, w).
    """
    return _ROI_ALIGN(
        features,
        rois,
        output_height=int(output_size[0]),
        output_width=int(output_size[1]),
        spatial_scale=float(scale),
        sampling_ratio=max(0, int(sampling_ratio)),
        mode=str(mode),
        aligned=int(aligned),
    )
