"""mmcv's multi-scale deformable attention.

All levels are attended to at once, in turns of as many queries as stay near the processor: in ONNX Runtime half to two
thirds of the time of a loop over the levels. That loop is for runtimes whose loops leave nothing behind, or for which
the other form was not tried.
"""

from typing import List, Optional, Tuple

import torch

from ...fallback import ms_deform_attn_forward
from .body import Body, Value
from .functions import DOMAIN
from .grid_sampler import FIRST_GRID_SAMPLE, grid_sample
from .operator import Operator

_NEAR = 2**21
"""Numbers that are gathered at a time: 8 MiB."""


def _compute(
    value: torch.Tensor,
    shapes: torch.Tensor,
    starts: torch.Tensor,
    locations: torch.Tensor,
    weights: torch.Tensor,
    im2col_step: int,
) -> torch.Tensor:
    return ms_deform_attn_forward(value, shapes, starts, locations, weights, im2col_step)


def _write(
    body: Body, value: Value, shapes: Value, starts: Value, locations: Value, weights: Value, im2col_step: int
) -> Value:
    batch, cells, heads, dims = (body.size(value, axis) for axis in range(4))
    queries, levels, points = (body.size(locations, axis) for axis in (1, 3, 4))
    each, count = levels * points, batch * queries * heads
    sizes, stride = body.cast(shapes, "float"), body.cast(heads, "float")

    def repeated(values: Value, columns: int) -> Value:
        """(L, columns), once for every point: (L * P * columns, 1)."""
        wide = body.op("Expand", body.unsqueeze(values, 1), body.dims(levels, points, columns))
        return body.reshape(wide, -1, 1)

    def one_at_least(number: Value) -> Value:
        return body.op("Where", number < [1], [1], number)

    # queries last: what is of a level goes by whole rows then
    width = repeated(body.slice(sizes, 1, 1, 2), 1) * stride
    start = repeated(body.unsqueeze(body.cast(starts, "float"), 1), 1) * stride
    extent = repeated(body.op("Gather", sizes, [1, 0], axis=1), 2)
    place = body.op("Transpose", body.reshape(locations, -1, each * 2), perm=[1, 0]) * extent - 0.5
    corners = []
    for cell, share in _corners(body, place, extent):
        halves = [body.reshape(part, each, 2, -1) for part in (cell, share)]
        corners.append([[body.column(half, axis) for half in halves] for axis in (0, 1)])
    weight = body.op("Transpose", body.reshape(weights, -1, each), perm=[1, 0])
    found, parts = [], []
    for _, (row, down) in corners:
        first, down = row * width + start, down * weight
        for (column, across), _ in corners:
            found.append(first + column * stride)
            parts.append(down * across)
    rows, shares = (body.op("Transpose", body.op("Concat", *ones, axis=0), perm=[1, 0]) for ones in (found, parts))
    # float32 counts the rows of an image exactly up to 2**24; those of a batch are more
    image = body.reshape(body.range(batch) * (cells * heads), -1, 1, 1) + body.range(heads)  # (N, 1, heads)
    image = body.reshape(body.op("Expand", image, body.dims(batch, queries, heads)), -1, 1)
    rows = body.cast(rows, "int32") + body.cast(image, "int32")
    table, shares = body.reshape(value, -1, dims), body.unsqueeze(shares, 1)

    # what is gathered is 64 times as large as what comes of it: as much at a time as stays near the processor
    turns = one_at_least((count * each * dims * 4 + (_NEAR - 1)) / _NEAR)
    long = one_at_least((count + (turns - 1)) / turns)
    turns = one_at_least((count + (long - 1)) / long)  # fewer, where there are more of them than rows in one

    def attend(turn: Value) -> Tuple[List[Value], List[Tuple[str, Value]]]:
        begin = long * body.unsqueeze(turn, 0)
        begin = body.op("Where", count - long < begin, count - long, begin)  # the last one reaches back
        end = begin + long
        # one product sums over levels, points and corners alike: half the time of a product and a sum for each
        seen = body.op("Gather", table, body.slice(rows, 0, begin, end), axis=0)
        return [], [("float[]", body.op("MatMul", body.slice(shares, 0, begin, end), seen))]

    total = body.reshape(body.loop(body.squeeze(turns, 0), [], attend, scans=1)[0], -1, dims)
    last = long * (turns - 1)
    tail = body.slice(total, 0, last + last + long - count, last + long)
    total = body.op("Concat", body.slice(total, 0, 0, last), tail, axis=0)
    return body.reshape(total, batch, queries, heads * dims)


def _write_by_levels(
    body: Body, value: Value, shapes: Value, starts: Value, locations: Value, weights: Value, im2col_step: int
) -> Value:
    """A loop over the levels, whose number no attribute tells."""
    if body.opset >= FIRST_GRID_SAMPLE:
        return _write_sampled(body, value, shapes, starts, locations, weights)
    batch, cells, heads, dims = (body.size(value, axis) for axis in range(4))
    queries, points = body.size(locations, 1), body.size(locations, 4)
    rows = body.reshape(value, batch * cells * heads, dims)
    image = body.reshape(body.range(batch) * cells, -1, 1, 1, 1)
    head = body.reshape(body.range(heads), -1, 1)
    count = batch * queries * heads

    def attend(level: Value, total: Value) -> Tuple[List[Value], List[Tuple[str, Value]]]:
        size = body.op("Gather", shapes, level, axis=0)
        height, width = (body.op("Gather", size, index) for index in (0, 1))
        start = image + body.op("Gather", starts, level)
        place = body.op("Gather", locations, level, axis=3)
        weight = body.op("Gather", weights, level, axis=3)
        sides = []
        for axis, extent in ((0, width), (1, height)):
            extent = body.cast(extent, "float")
            pairs = _corners(body, body.column(place, axis, axis=4) * extent - 0.5, extent)
            sides.append([(body.cast(cell, "int64"), share) for cell, share in pairs])
        across = [(column * heads, part) for column, part in sides[0]]
        cells, parts = [], []
        for row, share in sides[1]:
            first, share = (start + row * width) * heads + head, share * weight
            cells += [first + column for column, _ in across]
            parts += [share * part for _, part in across]
        # one product sums over points and corners alike: half the time of a product and a sum for each corner
        seen = body.op("Gather", rows, body.reshape(body.op("Concat", *cells, axis=3), -1), axis=0)
        shares = body.reshape(body.op("Concat", *parts, axis=3), count, 1, points * 4)
        found = body.op("MatMul", shares, body.reshape(seen, count, points * 4, dims))
        return [total + body.reshape(found, count, dims)], []

    start = body.op("Expand", 0.0, body.dims(count, dims))
    total = body.loop(body.squeeze(body.size(shapes, 0), 0), [("float[]", start)], attend)[0]
    return body.reshape(total, batch, queries, heads * dims)


def _write_sampled(body: Body, value: Value, shapes: Value, starts: Value, locations: Value, weights: Value) -> Value:
    """By GridSample, which takes a quarter less time in Deformable DETR."""
    batch, _, heads, dims = (body.size(value, axis) for axis in range(4))
    queries, points, maps = body.size(locations, 1), body.size(locations, 4), batch * heads
    grids = body.op("Transpose", locations * 2.0 - 1.0, perm=[3, 0, 2, 1, 4, 5])
    weights = body.op("Transpose", weights, perm=[3, 0, 2, 1, 4])
    value = body.op("Transpose", value, perm=[0, 2, 3, 1])

    def attend(level: Value, total: Value) -> Tuple[List[Value], List[Tuple[str, Value]]]:
        size, start = body.op("Gather", shapes, level, axis=0), body.unsqueeze(body.op("Gather", starts, level), 0)
        height, width = (body.slice(size, 0, index, index + 1) for index in (0, 1))
        part = body.reshape(body.slice(value, 3, start, start + height * width), maps, dims, height, width)
        grid = body.reshape(body.op("Gather", grids, level, axis=0), maps, queries, points, 2)
        weight = body.reshape(body.op("Gather", weights, level, axis=0), maps, 1, queries, points)
        samples = grid_sample(body, part, grid, "bilinear", "zeros", False)
        return [total + body.reduce("ReduceSum", samples * weight, 3)], []

    start = body.op("Expand", 0.0, body.dims(maps, dims, queries))
    total = body.loop(body.squeeze(body.size(shapes, 0), 0), [("float[]", start)], attend)[0]
    return body.op("Transpose", body.reshape(total, batch, heads * dims, queries), perm=[0, 2, 1])


def _corners(body: Body, place: Value, extent: Value) -> List[Tuple[Value, Value]]:
    """The cells before and behind places, 0 to the extent of a map, and their shares: none outside of the map."""
    before = body.op("Floor", place)
    far = place - before
    corners = []
    for cell, share in ((before, body.op("Sub", 1.0, far)), (before + 1.0, far)):
        kept = body.op("Min", body.op("Max", cell, 0.0), extent - 1.0)
        corners.append((kept, share * body.cast(body.op("Equal", kept, cell), "float")))
    return corners


# mmcv's Function has no symbolic: the prefix of its other operators before its own name
_INPUTS = ["value", "value_spatial_shapes", "value_level_start_index", "sampling_locations", "attention_weights"]
_OUTPUTS: Tuple[Tuple[torch.dtype, Optional[int]], ...] = ((torch.float32, 3),)
_ATTENTION = Operator("MMCVMultiScaleDeformableAttn", _INPUTS, _compute, _write, _OUTPUTS)
_BY_LEVELS = Operator("MultiScaleDeformableAttnByLevels", _INPUTS, _compute, _write_by_levels, _OUTPUTS, DOMAIN)


def multi_scale_deformable_attn(
    value: torch.Tensor,
    shapes: torch.Tensor,
    starts: torch.Tensor,
    locations: torch.Tensor,
    weights: torch.Tensor,
    im2col_step: int = 64,
    by_levels: bool = False,
) -> torch.Tensor:
    """Sum, over the levels and points of a query, of what lies at each point, weighted.

    Args:
        value: (N, S, heads, D), the flattened maps of all levels one after the other.
        shapes: (L, 2) int64, height and width of each level.
        starts: (L,) int64, where each level begins among the S.
        locations: (N, Q, heads, L, P, 2) columns and rows, 0 to 1 across a map.
        weights: (N, Q, heads, L, P).
        im2col_step: how mmcv's kernel splits the batch; the answer does not depend on it.
        by_levels: write a loop over the levels, as an operator of mmonnx's own.

    Returns:
        (N, Q, heads * D)
    """
    operator = _BY_LEVELS if by_levels else _ATTENTION
    return operator(value, shapes, starts, locations, weights, im2col_step=int(im2col_step))
