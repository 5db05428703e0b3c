"""mmcv's border align: a loop over the samples on the sides of a box, all sides at once."""

from typing import Any, List, Sequence, Tuple

import torch

from ...fallback import border_align_forward
from .body import Body, Value
from .operator import Operator
from .sampling import Maps, repeat

_STARTS = {"x": [0, 0, 2, 2], "y": [1, 1, 3, 3]}
"""Of each side (top, left, bottom, right) the coordinate where it starts."""
_TURNS = {"x": [1.0, 0.0, -1.0, 0.0], "y": [0.0, 1.0, 0.0, -1.0]}
"""Which way along the box's width or height it goes from there."""


def _compute(input: torch.Tensor, boxes: torch.Tensor, pool_size: int) -> torch.Tensor:
    output = input.new_zeros((input.shape[0], input.shape[1] // 4, boxes.shape[1], 4))
    border_align_forward(input, boxes, output, torch.zeros(output.shape, dtype=torch.int32), pool_size)
    return output


def _write(body: Body, input: Value, boxes: Value, pool_size: int) -> Value:
    batch, channels, height, width = (body.size(input, axis) for axis in range(4))
    share, count = channels / 4, body.size(boxes, 1)
    maps = Maps(body, body.reshape(input, batch * 4, share, height, width))
    image = repeat(body, body.range(batch * 4), count)
    starts, steps = [], []
    for index, axis in enumerate("xy"):
        side = body.unsqueeze(body.column(boxes, index + 2, 2) - body.column(boxes, index, 2), 1) / float(pool_size)
        start = body.op("Transpose", body.op("Gather", boxes, _STARTS[axis], axis=2), perm=[0, 2, 1])
        starts.append(body.reshape(start, -1))  # (N * 4 * S,)
        steps.append(body.reshape(side * body.reshape(body.constant(_TURNS[axis]), 1, 4, 1), -1))

    def step(turn: Value, best: Value) -> Tuple[List[Value], Sequence[Any]]:
        number = body.cast(turn + 1, "float")
        x, y = (start + move * number for start, move in zip(starts, steps))
        return [body.op("Max", best, maps.sample(image, x, y))], []

    first = maps.sample(image, *starts)
    best = body.loop(body.constant(pool_size), [("float[]", first)], step)[0]
    return body.op("Transpose", body.reshape(best, batch, 4, count, share), perm=[0, 3, 2, 1])


_BORDER_ALIGN = Operator("MMCVBorderAlign", ["input", "boxes"], _compute, _write)


def border_align(input: torch.Tensor, boxes: torch.Tensor, pool_size: int) -> torch.Tensor:
    """Greatest of the samples on each side of a box.

    Args:
        input: (N, 4 * C, H, W), C channels for each of top, left, bottom and right.
        boxes: (N, S, 4), x1, y1, x2, y2 in pixels of the features.
        pool_size: samples on a side, less one.

    Returns:
        (N, C, S, 4)
    """
    return _BORDER_ALIGN(input, boxes, pool_size=int(pool_size))
