"""Running maxima and minima: ``cummax``, ``cummin`` and mmcv's corner pooling.

In about log2(length) steps, each of which takes the better of what a place has and what one 1, 2, 4, ... before it has.
"""

import math
from typing import Any, List, Sequence, Tuple

import torch

from ...support import ExportError
from .body import Body, Value
from .operator import Operator

CORNERS = {"top": 0, "bottom": 1, "left": 2, "right": 3}
"""mmcv's numbers of the modes of corner pooling."""

_cummax, _cummin = torch.cummax, torch.cummin  # torch's own, which are replaced while a model is exported

_END = 2**62
"""Beyond the end of every axis."""


def _steps(body: Body, value: Value, dim: int) -> Value:
    """How often a distance that doubles from 1 has to, to reach along an axis; once more does no harm."""
    size = body.op("Clip", body.cast(body.squeeze(body.size(value, dim), 0), "float"), 1.0)
    return body.cast(body.op("Ceil", body.op("Log", size) * (1 / math.log(2)) + 1e-3), "int64")


def _running(body: Body, input: Value, dim: int, worse: str) -> Tuple[Value, Value]:
    """Values and places; ``worse`` compares what a place has with what comes from before it."""
    ones = body.op("Expand", body.constant(1), body.op("Shape", input))
    index = body.op("CumSum", ones, dim) - 1

    def step(turn: Value, distance: Value, values: Value, places: Value) -> Tuple[List[Value], Sequence[Any]]:
        starts, later, earlier = zip(*(_apart(body, whole, dim, distance) for whole in (values, places)))
        # of equal ones the later counts
        taken = body.op(worse, later[0], earlier[0])
        best = [body.op("Where", taken, one, two) for one, two in zip(earlier, later)]
        return [distance * 2, *(body.op("Concat", *pair, axis=dim) for pair in zip(starts, best))], []

    states = [("int64[1]", body.constant([1])), ("float[]", input), ("int64[]", index)]
    _, values, places = body.loop(_steps(body, input, dim), states, step)
    return values, places


def _apart(body: Body, whole: Value, dim: int, distance: Value) -> Tuple[Value, Value, Value]:
    """What has nothing so far before it, the rest, and what lies so far before the rest."""
    start, later = body.slice(whole, dim, 0, distance), body.slice(whole, dim, distance, _END)
    return start, later, body.slice(whole, dim, 0, -distance)


def _write_corner(body: Body, input: Value, mode: int) -> Value:
    dim, reverse = (2, 2, 3, 3)[mode], mode in (CORNERS["top"], CORNERS["left"])

    def step(turn: Value, distance: Value, values: Value) -> Tuple[List[Value], Sequence[Any]]:
        start, later, earlier = _apart(body, values, dim, distance)
        best = body.op("Max", later, earlier)
        parts = [best, body.slice(values, dim, -distance, _END)] if reverse else [start, best]
        return [distance * 2, body.op("Concat", *parts, axis=dim)], []

    states = [("int64[1]", body.constant([1])), ("float[]", input)]
    return body.loop(_steps(body, input, dim), states, step)[1]


def _compute_corner(input: torch.Tensor, mode: int) -> torch.Tensor:
    dim, reverse = (2, 2, 3, 3)[mode], mode in (CORNERS["top"], CORNERS["left"])
    return _cummax(input.flip(dim), dim)[0].flip(dim) if reverse else _cummax(input, dim)[0]


_KINDS = ((torch.float32, None), (torch.int64, None))
_CUMMAX = Operator(
    "cummax",
    ["input"],
    lambda input, dim: tuple(_cummax(input, dim)),
    lambda body, input, dim: _running(body, input, dim, "Less"),
    outputs=_KINDS,
)
_CUMMIN = Operator(
    "cummin",
    ["input"],
    lambda input, dim: tuple(_cummin(input, dim)),
    lambda body, input, dim: _running(body, input, dim, "Greater"),
    outputs=_KINDS,
)
_CORNER_POOL = Operator("MMCVCornerPool", ["input"], _compute_corner, _write_corner)


def cummax(input: torch.Tensor, dim: int) -> Tuple[torch.Tensor, torch.Tensor]:
    """The greatest value so far along an axis.

    Args:
        input: float32, of any shape with one axis or more.
        dim: the axis.

    Returns:
        values: of the input's shape.
        places: int64, where along the axis they lie; of equal ones the last.

    Raises:
        ExportError: the input is of another type or a scalar.
    """
    return _CUMMAX(_checked("cummax", input), dim=int(dim))


def cummin(input: torch.Tensor, dim: int) -> Tuple[torch.Tensor, torch.Tensor]:
    """As :func:`cummax`, the least."""
    return _CUMMIN(_checked("cummin", input), dim=int(dim))


def corner_pool(input: torch.Tensor, mode: str) -> torch.Tensor:
    """The greatest value of (N, C, H, W) float32 between each place and a border: ``top``, ``left``, ...

    Raises:
        ExportError: the input is of another type.
    """
    return _CORNER_POOL(_checked("MMCVCornerPool", input), mode=CORNERS[mode])


def _checked(name: str, input: torch.Tensor) -> torch.Tensor:
    if input.dtype != torch.float32 or input.dim() == 0:
        what = f"an input of {input.dtype}" if input.dim() else "a scalar input"
        raise ExportError(f"{name} has {what}; expected float32 of one axis or more; convert it before, by .float()")
    return input
