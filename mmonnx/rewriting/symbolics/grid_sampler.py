"""torch's ``grid_sample`` of maps, under mmcv's name: ONNX's GridSample from opset 16 on, gathered rows before."""

from typing import Optional

import torch
from torch.nn import functional

from ...support import ExportError, NewerOpsetError
from .body import Body, Value
from .operator import Operator
from .sampling import Maps, repeat, to_maps

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")

FIRST_GRID_SAMPLE = 16
_OUTSIDE = -2.0
"""Of every map, in cells."""
_FIRST_OTHER_NAMES = 20
_OTHER_NAMES = {"bilinear": "linear", "nearest": "nearest", "bicubic": "cubic"}

_grid_sample = functional.grid_sample  # torch's own, which is replaced while a model is exported


def _compute(
    input: torch.Tensor, grid: torch.Tensor, interpolation_mode: int, padding_mode: int, align_corners: int
) -> torch.Tensor:
    return _grid_sample(input, grid, MODES[interpolation_mode], PADDINGS[padding_mode], bool(align_corners))


def grid_sample(body: Body, input: Value, grid: Value, mode: str, padding: str, align_corners: bool) -> Value:
    """ONNX's own operator, for opset 16 and later."""
    name = _OTHER_NAMES[mode] if body.opset >= _FIRST_OTHER_NAMES else mode
    return body.op("GridSample", input, grid, mode=name, padding_mode=padding, align_corners=int(align_corners))


def _place(body: Body, place: Value, size: Value, mode: str, padding: str, align_corners: bool) -> Value:
    """Where -1 to 1 (P,) lies along an axis, in cells of the map, or of the map and the zeros around it.

    What is no number, as a share of a map of one cell is in some networks, lies in the first cell, or outside.
    """
    size = body.cast(body.squeeze(size, 0), "float")
    place = (place + 1.0) * (size - 1.0) * 0.5 if align_corners else ((place + 1.0) * size - 1.0) * 0.5
    if padding == "reflection":
        least = 0.0 if align_corners else -0.5
        # a map of one cell has no span; it is made one by the clipping below
        span = body.op("Max", size - 1.0, 1.0) if align_corners else size
        place = body.op("Abs", place - least)
        turns = body.op("Floor", place / span)
        rest = place - turns * span
        odd = turns - body.op("Floor", turns * 0.5) * 2.0
        place = rest + odd * (span - rest * 2.0) + least
    is_number = (place < 0.5) | (place > 0.25)
    place = body.op("Where", is_number, place, _OUTSIDE if padding == "zeros" else 0.0)
    if padding != "zeros":
        place = body.op("Clip", place, 0.0, size - 1.0)
    if mode == "nearest":
        place = body.op("Round", place)
    return place + 1.0 if padding == "zeros" else place


def _write(
    body: Body, input: Value, grid: Value, interpolation_mode: int, padding_mode: int, align_corners: int
) -> Value:
    mode, padding, aligned = MODES[interpolation_mode], PADDINGS[padding_mode], bool(align_corners)
    if body.opset >= FIRST_GRID_SAMPLE:
        return grid_sample(body, input, grid, mode, padding, aligned)
    if mode == "bicubic":
        what = f"grid_sampler has interpolation_mode={interpolation_mode} (bicubic)"
        raise NewerOpsetError(f"{what}, which opset {body.opset} cannot express", FIRST_GRID_SAMPLE)
    batch, height, width = (body.size(grid, axis) for axis in range(3))
    given = [body.reshape(body.column(grid, index, 3), -1) for index in (0, 1)]
    x, y = (_place(body, place, body.size(input, axis), mode, padding, aligned) for place, axis in zip(given, (3, 2)))
    if padding == "zeros":
        input = body.op("Pad", input, [0, 0, 1, 1, 0, 0, 1, 1])
    # in torch, what lies at no place is no number either, where neither a cell nor the border is taken for it
    lost = (given[0] + given[1]) * 0.0 if (mode, padding) == ("bilinear", "zeros") else None
    rows = Maps(body, input).sample(repeat(body, body.range(batch), height * width), x, y, lost)
    return to_maps(body, rows, input, batch, height, width)


_GRID_SAMPLER = Operator("grid_sampler", ["input", "grid"], _compute, _write)


def grid_sampler(
    input: torch.Tensor,
    grid: torch.Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: Optional[bool] = None,
) -> torch.Tensor:
    """``torch.nn.functional.grid_sample`` of maps.

    Args:
        input: (N, C, H, W).
        grid: (N, h, w, 2) columns and rows, -1 to 1 across the map.
        mode: ``bilinear``, ``nearest``, or from opset 16 on ``bicubic``.
        padding_mode: ``zeros``, ``border`` or ``reflection``.
        align_corners: -1 and 1 are the middles of the outermost cells, not their edges.

    Returns:
        (N, C, h, w)

    Raises:
        ExportError: the input is a volume, or the mode is unknown.
    """
    if input.dim() != 4:
        raise ExportError(
            f"grid_sampler has an input of {input.dim()} axes; expected 4 axes (N, C, H, W); "
            "sample the slices of a volume one by one"
        )
    for name, value, known in (("mode", mode, MODES), ("padding_mode", padding_mode, PADDINGS)):
        if value not in known:
            raise ExportError(
                f"grid_sampler has {name}={value!r}; expected one of {', '.join(known)}; choose one of these"
            )
    return _GRID_SAMPLER(
        input,
        grid,
        interpolation_mode=MODES.index(mode),
        padding_mode=PADDINGS.index(padding_mode),
        align_corners=int(bool(align_corners)),
    )
