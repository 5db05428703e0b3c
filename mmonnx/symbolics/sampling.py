"""Bilinear samples of feature maps, for bodies: RoiAlign of boxes of one cell is the sampler that every opset has.

It keeps mmcv's rule for borders: a place up to one cell outside takes the nearest cells, one further out is zero.
"""

from typing import List, Sequence, Tuple

from .body import Body, Value

HALF_PIXEL_OPSET = 16
"""From here on RoiAlign can leave boxes that are smaller than a cell as they are."""


def align(body: Body, features: Value, image: Value, boxes: Value, ratio: int, exact: bool = False) -> Value:
    """The average of the samples in each box.

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
    settings = dict(output_height=1, output_width=1, sampling_ratio=ratio, spatial_scale=1.0)
    if body.opset >= HALF_PIXEL_OPSET:
        settings["coordinate_transformation_mode"] = "half_pixel" if exact else "output_half_pixel"
    if exact:
        boxes = boxes + 0.5
    return body.reshape(body.op("RoiAlign", features, boxes, image, **settings), 0, 0)


def sample(body: Body, features: Value, image: Value, x: Value, y: Value) -> Value:
    """Bilinear samples at (P,) places of (N, C, H, W) features -> (P, C); ``image`` is (P,) int64."""
    # Boxes of half a cell, that RoiAlign makes exactly one cell long: a whole one may be rounded to a little more.
    low = body.stack(x, y, axis=1) - 0.5
    return align(body, features, image, body.op("Concat", low, low + 0.5, axis=1), ratio=1)


def repeat(body: Body, value: Value, times: int) -> Value:
    """(K,) -> (K * times,), each element ``times`` times."""
    return body.reshape(body.op("Expand", body.unsqueeze(value, 1), [1, times]), -1)


def to_maps(body: Body, rows: Value, features: Value, count: Value, height: int, width: int) -> Value:
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
