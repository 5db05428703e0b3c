"""mmcv's RoIAlign of rotated boxes: ONNX's is for upright ones, so the samples are taken one by one."""

from typing import Any, Sequence, Tuple

import torch

from ...fallback import roi_align_rotated_forward
from .body import Body, Value
from .operator import Operator
from .sampling import Maps, repeat, steps, to_maps


def _compute(
    features: torch.Tensor,
    rois: torch.Tensor,
    output_height: int,
    output_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: int,
    clockwise: int,
) -> torch.Tensor:
    output = features.new_zeros((rois.shape[0], features.shape[1], output_height, output_width))
    settings = (output_height, output_width, spatial_scale, sampling_ratio, bool(aligned), bool(clockwise))
    roi_align_rotated_forward(features, rois, output, *settings)
    return output


class _Boxes:
    """The RoIs (K, 6), in cells of the map: image (K,) int64, and of shape (K, 1) each the rest."""

    def __init__(self, body: Body, rois: Value, spatial_scale: float, aligned: int, clockwise: int) -> None:
        columns = [body.slice(rois, 1, index, index + 1) for index in range(6)]
        self.image = body.cast(body.squeeze(columns[0], 1), "int64")
        self.center = [column * spatial_scale - (0.5 if aligned else 0.0) for column in columns[1:3]]
        self.sides = [column * spatial_scale for column in columns[3:5]]
        if not aligned:
            self.sides = [body.op("Clip", side, 1.0) for side in self.sides]
        angle = -columns[5] if clockwise else columns[5]
        self.cos, self.sin = body.op("Cos", angle), body.op("Sin", angle)

    def turn(self, x: Value, y: Value) -> Tuple[Value, Value]:
        """From the box's own axes, about its center, to the map's."""
        return x * self.cos + y * self.sin + self.center[0], y * self.cos - x * self.sin + self.center[1]


def _write(
    body: Body,
    features: Value,
    rois: Value,
    output_height: int,
    output_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: int,
    clockwise: int,
) -> Value:
    size = (output_height, output_width)
    maps = Maps(body, features)
    if sampling_ratio <= 0:
        return _write_adaptive(body, features, rois, maps, size, (spatial_scale, aligned, clockwise))
    boxes = _Boxes(body, rois, spatial_scale, aligned, clockwise)
    image = repeat(body, boxes.image, output_height * output_width)
    parts = []
    for shares in steps(size, sampling_ratio):
        places = [side * body.constant([value - 0.5 for value in share]) for side, share in zip(boxes.sides, shares)]
        x, y = (body.reshape(place, -1) for place in boxes.turn(*places))
        parts.append(maps.sample(image, x, y))
    rows = sum(parts[1:], parts[0]) * (1 / sampling_ratio**2)
    return to_maps(body, rows, features, body.size(rois, 0), *size)


def _write_adaptive(
    body: Body, features: Value, rois: Value, maps: Maps, size: Tuple[int, int], settings: Sequence[Any]
) -> Value:
    """As many samples as a bin has cells: RoI by RoI, since each has a number of its own."""
    channels = body.size(features, 1)

    def step(turn: Value) -> Tuple[Sequence[Value], Sequence[Tuple[str, Value]]]:
        box = _Boxes(body, body.unsqueeze(body.op("Gather", rois, turn, axis=0), 0), *settings)
        counts, places = [], []
        for side, bins in zip(box.sides, (size[1], size[0])):
            count = body.op("Clip", body.op("Ceil", side / float(bins)), 1.0)  # (1, 1)
            number = body.range(body.squeeze(body.cast(count, "int64"), 0) * bins)
            places.append(((body.cast(number, "float") + 0.5) / (count * float(bins)) - 0.5) * side)
            counts.append(body.squeeze(body.cast(count, "int64"), 0))
        across, down = places  # (1, w * i) and (1, h * j)
        x, y = box.turn(across, body.op("Transpose", down, perm=[1, 0]))  # (h * j, w * i)
        shape = body.op("Shape", x)
        x, y = body.reshape(x, -1), body.reshape(body.op("Expand", y, shape), -1)
        image = body.op("Expand", box.image, body.op("Shape", x))
        samples = body.reshape(maps.sample(image, x, y), size[0], counts[1], size[1], counts[0], channels)
        samples = body.op("Transpose", samples, perm=[4, 0, 2, 1, 3])
        # of RoIs without extent mmcv takes no sample
        real = (box.sides[0] > 0.0) & (box.sides[1] > 0.0)
        pooled = body.op("Where", body.unsqueeze(real, 2), body.reduce("ReduceMean", samples, 3, 4), 0.0)
        return [], [("float[c, h, w]", pooled)]

    count = body.size(rois, 0)
    pooled = body.loop(body.squeeze(count, 0), [], step, scans=1)[0]
    # without a RoI the loop leaves something empty of another shape
    return body.reshape(pooled, count, channels, *size)


_ALIGN = Operator("MMCVRoIAlignRotated", ["features", "rois"], _compute, _write)


def roi_align_rotated(
    features: torch.Tensor,
    rois: torch.Tensor,
    output_size: Tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int = 0,
    aligned: bool = True,
    clockwise: bool = False,
) -> torch.Tensor:
    """Pool one feature grid per rotated RoI.

    Args:
        features: (N, C, H, W).
        rois: (K, 6) image, x and y of the center, width, height in pixels of the network's input, angle in radians.
        output_size: (h, w) of the grids.
        spatial_scale: size of the features over size of the input.
        sampling_ratio: samples per bin and axis, 0 for as many as a bin has cells.
        aligned: half-pixel correct coordinates, and RoIs smaller than a cell as they are.
        clockwise: how the angle turns in the image.

    Returns:
        (K, C, h, w)
    """
    return _ALIGN(
        features,
        rois,
        output_height=int(output_size[0]),
        output_width=int(output_size[1]),  # mmcv's own symbolic has the height here as well
        spatial_scale=float(spatial_scale),
        sampling_ratio=max(0, int(sampling_ratio)),
        aligned=int(aligned),
        clockwise=int(clockwise),
    )
