"""Samples of feature maps, for bodies, by mmcv's rule for borders.

A place up to one cell outside takes the nearest cells, one further out is zero.
"""

from typing import Any, Dict, List, Optional, Sequence, Tuple

from .body import Body, Dim, Value

HALF_PIXEL_OPSET = 16
"""From here on RoiAlign can leave boxes that are smaller than a cell as they are."""


class Maps:
    """Feature maps (N, C, H, W) that bilinear samples are taken of.

    The channels of a cell are laid side by side, so that a sample is four rows of them: several times faster in ONNX
    Runtime than RoiAlign of boxes of one cell, which reads the channels from all over the map.
    """

    def __init__(self, body: Body, features: Value) -> None:
        self._body = body
        batch, channels, self._height, self._width = (body.size(features, axis) for axis in range(4))
        last = body.op("Transpose", features, perm=[0, 2, 3, 1])
        self._rows = body.reshape(last, batch * self._height * self._width, channels)

    def sample(self, image: Value, x: Value, y: Value, more: Optional[Value] = None) -> Value:
        """(P, C) samples at (P,) places, of (P,) int64 images; ``more`` (P,) is added to the weight of a cell."""
        left, right, across, inside = self._corners(x, self._width)
        top, bottom, down, also = self._corners(y, self._height)
        inside = self._body.cast(inside & also, "float")
        far = across * inside
        near = inside - far if more is None else inside - far + more
        start = image * self._height
        places = []
        for row, share in ((top, None), (bottom, down)):
            for column, weight in ((left, near), (right, far)):
                weight = weight - weight * down if share is None else weight * share
                cells = self._body.op("Gather", self._rows, (start + row) * self._width + column, axis=0)
                places.append(cells * self._body.unsqueeze(weight, 1))
        return sum(places[1:], places[0])

    def _corners(self, place: Value, size: Value) -> Tuple[Value, Value, Value, Value]:
        """Along an axis the cells before and behind, int64, the share of the latter, and if the place counts at all."""
        limit = self._body.cast(self._body.squeeze(size, 0), "float")
        inside = ~(place < -1.0) & ~(place > limit)
        place = self._body.op("Clip", place, 0.0, limit - 1.0)
        before = self._body.op("Floor", place)
        behind = self._body.op("Clip", before + 1.0, 0.0, limit - 1.0)
        return self._body.cast(before, "int64"), self._body.cast(behind, "int64"), place - before, inside


def align(body: Body, features: Value, image: Value, boxes: Value, ratio: int, exact: bool = False) -> Value:
    """The average of the samples in each box, by RoiAlign.

    Args:
        body: what is written.
        features: (N, C, H, W).
        image: (P,) int64.
        boxes: (P, 4) x1, y1, x2, y2, where 0 is the middle of the first cell.
        ratio: samples per axis, 0 for as many as the box has cells.
        exact: leave boxes smaller than a cell as they are (opset 16 and later), instead of making them one cell.

    Returns:
        (P, C)
    """
    settings: Dict[str, Any] = dict(output_height=1, output_width=1, sampling_ratio=ratio, spatial_scale=1.0)
    if body.opset >= HALF_PIXEL_OPSET:
        settings["coordinate_transformation_mode"] = "half_pixel" if exact else "output_half_pixel"
    if exact:
        boxes = boxes + 0.5
    return body.reshape(body.op("RoiAlign", features, boxes, image, **settings), 0, 0)


def repeat(body: Body, value: Value, times: Dim) -> Value:
    """(K,) -> (K * times,), each element ``times`` times."""
    return body.reshape(body.op("Expand", body.unsqueeze(value, 1), body.dims(1, times)), -1)


def to_maps(body: Body, rows: Value, features: Value, count: Value, height: Dim, width: Dim) -> Value:
    """(K * h * w, C) rows -> (K, C, h, w)."""
    grid = body.reshape(rows, count, height, width, body.size(features, 1))
    return body.op("Transpose", grid, perm=[0, 3, 1, 2])


def steps(size: Tuple[int, int], ratio: int) -> Sequence[Tuple[List[float], List[float]]]:
    """Where in a RoI the samples of its bins lie, as shares of its width and height.

    Returns:
        For each of the ratio ** 2 samples of a bin, x and y of every bin, row by row.
    """
    height, width = size
    return [
        (
            [(column + (i + 0.5) / ratio) / width for _ in range(height) for column in range(width)],
            [(row + (j + 0.5) / ratio) / height for row in range(height) for _ in range(width)],
        )
        for j in range(ratio)
        for i in range(ratio)
    ]
