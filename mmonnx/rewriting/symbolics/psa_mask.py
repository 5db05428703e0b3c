"""mmcv's PSA masks, from relative to absolute positions, by one Gather."""

from typing import Sequence, Tuple, Union

import torch

from ...fallback import psamask_forward
from .body import Body, Value
from .operator import Operator

COLLECT, DISTRIBUTE = 0, 1


def _compute(input: torch.Tensor, psa_type: int, mask_size: Sequence[int]) -> torch.Tensor:
    batch, _, height, width = input.shape
    output = input.new_zeros((batch, height * width, height, width))
    middle = [(size - 1) // 2 for size in mask_size]
    psamask_forward(input, output, psa_type, batch, height, width, *mask_size, *middle)
    return output


def _write(body: Body, input: Value, psa_type: int, mask_size: Sequence[int]) -> Value:
    rows, columns = mask_size
    batch, height, width = (body.size(input, axis) for axis in (0, 2, 3))
    places = height * width
    # (taking row, taking column, giving row, giving column); the one that distributes gives
    down, known_down = _distance(body, height, rows, ((-1, 1, 1, 1), (1, 1, -1, 1)))
    across, known_across = _distance(body, width, columns, ((1, -1, 1, 1), (1, 1, 1, -1)))
    giver = body.reshape(body.range(height), 1, 1, -1, 1) * width + body.reshape(body.range(width), 1, 1, 1, -1)
    index = (down * columns + across) * places + giver
    # One zero behind all for what no mask reaches.
    index = body.op("Where", known_down & known_across, index, places * (rows * columns))
    if psa_type == DISTRIBUTE:
        index = body.op("Transpose", index, perm=[2, 3, 0, 1])
    # int32: the index has as many elements as the result
    index = body.op("Cast", body.reshape(index, places, height, width), to=6)
    flat = body.op("Pad", body.reshape(input, batch, places * (rows * columns)), [0, 0, 0, 1])
    return body.op("Gather", flat, index, axis=1)


def _distance(body: Body, size: Value, reach: int, shapes: Sequence[Sequence[int]]) -> Tuple[Value, Value]:
    """Along an axis the row or column of the mask that relates two positions, and if there is one."""
    place = body.range(size)
    distance = body.reshape(place, *shapes[0]) - body.reshape(place, *shapes[1]) + (reach - 1) // 2
    return distance, (distance > -1) & (distance < reach)


_PSA_MASK = Operator("MMCVPSAMask", ["input"], _compute, _write)


def psa_mask(input: torch.Tensor, psa_type: int, mask_size: Union[int, Sequence[int]]) -> torch.Tensor:
    """Spread masks around each position over the whole map.

    Args:
        input: (N, h * w, H, W).
        psa_type: 0 collect, 1 distribute.
        mask_size: h and w, or one number for both.

    Returns:
        (N, H * W, H, W), 0 where the mask does not reach.
    """
    size = [mask_size] * 2 if isinstance(mask_size, int) else [int(value) for value in mask_size]
    return _PSA_MASK(input, psa_type=int(psa_type), mask_size=size)
