"""Resizing: forms that a target lacks, by looking up neighbours along each axis."""

from typing import List, Optional, Tuple

import numpy as np

from ..conditions import Is, TypeIs
from .base import (
    EXACT,
    LIMITED,
    ROUNDING,
    Node,
    Result,
    Rule,
    Tensor,
    bounded,
    cast,
    constant,
    counted,
    like,
    op,
    reshaped,
    size,
    where,
)

_OFFSETS = {"linear": (0, 1), "cubic": (-1, 0, 1, 2)}


class _Axis:
    """An axis that is resized: its number, its size before and after, and how much larger it becomes."""

    def __init__(self, axis: int, before: Tensor, after: Tensor, scale: Tensor) -> None:
        self.axis, self.before, self.after, self.scale = axis, before, after, scale


def _axes(node: Node) -> Optional[List[_Axis]]:
    """The axes whose size changes; None where that cannot be told."""
    rank, x = node.rank(), node[0]
    if rank is None:
        return None
    scales, sizes = node.given(2), node.given(3)
    found = []
    if sizes is not None:
        items = node.sizes_in(3)
        for axis in range(rank):
            before = size(x, axis)
            known = items[axis] if items is not None else None
            if known is not None and before.array is not None and known == before.array[0]:
                continue
            if known is None and axis < 2 and rank > 2:
                continue  # images of a batch, and channels: nobody resizes these
            after = constant([known]) if known is not None else op("Gather", sizes, constant([axis]), axis=0)
            found.append(_Axis(axis, before, after, cast(after, "float32") / cast(before, "float32")))
        return found
    array = node.array(2) if scales is not None else None
    if array is None or array.size != rank:
        return None
    for axis in range(rank):
        if array[axis] != 1:
            scale, before = constant([array[axis]], "float32"), size(x, axis)
            after = cast(op("Floor", cast(before, "float32") * scale), "int64")
            if before.array is not None:
                after = constant(np.floor(before.array.astype(np.float32) * array[axis]).astype(np.int64))
            found.append(_Axis(axis, before, after, scale))
    return found


def _coordinates(axis: _Axis, mode: str) -> Optional[Tensor]:
    """Where each new element lies among the old ones."""
    places = cast(counted(axis.after), "float32")
    last = cast(axis.before - 1, "float32")
    alone = op("Equal", cast(axis.after, "float32"), 1.0)
    if mode == "asymmetric":
        return places / axis.scale
    if mode == "half_pixel":
        return (places + 0.5) / axis.scale - 0.5
    if mode == "pytorch_half_pixel":
        return where(alone, like(places, 0), (places + 0.5) / axis.scale - 0.5)
    if mode == "align_corners":
        gaps = cast(axis.after - 1, "float32")
        return places * last / where(alone, like(gaps, 1), gaps)
    if mode == "tf_half_pixel_for_nn":
        return (places + 0.5) / axis.scale
    return None


def _within(places: Tensor, last: Tensor) -> Tensor:
    """No place before the first element or behind the last one."""
    return bounded(places, 0, last)


def _nearest(places: Tensor, mode: str) -> Tensor:
    if mode == "floor":
        return op("Floor", places)
    if mode == "ceil":
        return op("Ceil", places)
    return op("Floor", places + 0.5) if mode == "round_prefer_ceil" else op("Ceil", places - 0.5)


def _weights(part: Tensor, mode: str, a: float) -> Tuple[Tensor, ...]:
    """How much each neighbour counts, by how far the place is behind the one at offset 0."""
    if mode == "linear":
        return 1 - part, part

    def near(d: Tensor) -> Tensor:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: Tensor) -> Tensor:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return far(1 + part), near(part), near(1 - part), far(2 - part)


def _looked_up(node: Node) -> Result:
    mode, axes, rank = node.attribute("mode"), _axes(node), node.rank()
    extended = node.attribute("exclude_outside") or node.attribute("antialias") or node.has("axes")
    if axes is None or rank is None or extended or node.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
        return None
    x = node[0]
    for axis in axes:
        places = _coordinates(axis, node.attribute("coordinate_transformation_mode"))
        if places is None:
            return None
        last = cast(axis.before - 1, "float32")
        if mode == "nearest":
            found = _within(_nearest(places, node.attribute("nearest_mode")), last)
            x = op("Gather", x, cast(found, "int64"), axis=axis.axis)
            continue
        if mode == "linear":
            places = _within(places, last)
        low = op("Floor", places)
        x = _mixed(x, axis, low, places - low, last, mode, node.attribute("cubic_coeff_a"), rank)
    return op("Identity", x) if x is node[0] else x


def _mixed(x: Tensor, axis: _Axis, low: Tensor, part: Tensor, last: Tensor, mode: str, a: float, rank: int) -> Tensor:
    """The neighbours along an axis, each by its weight."""
    total: Optional[Tensor] = None
    for offset, weight in zip(_OFFSETS[mode], _weights(part, mode, a)):
        place = cast(_within(low + offset if offset else low, last), "int64")
        weighted = op("Gather", x, place, axis=axis.axis) * reshaped(weight, -1, *[1] * (rank - 1 - axis.axis))
        total = weighted if total is None else total + weighted
    assert total is not None
    return total


def _renamed(node: Node) -> Result:
    """With other coordinates, where these give the same."""
    array = node.array(2) if node.given(2) is not None and node.given(3) is None else None
    items = node.sizes_in(3) if node.given(3) is not None else None
    kept = node.attributes("mode", "extrapolation_value", "cubic_coeff_a", "exclude_outside")
    if node.attribute("mode") == "nearest":
        forms = ("half_pixel", "round_prefer_floor"), ("asymmetric", "floor")
        if node.rank() != 4:
            return None
        form = node.attribute("coordinate_transformation_mode"), node.attribute("nearest_mode")
        if form not in forms or array is None or any(scale != int(scale) for scale in array):
            return None  # of a whole number of copies each lies nearest to its own
        return _resize(node, {**kept, "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"})
    if node.attribute("coordinate_transformation_mode") != "half_pixel" or node.rank() != 4:
        return None
    # pytorch_half_pixel is another for a single element alone
    several = (array is not None and all(scale in (1,) or scale >= 2 for scale in array)) or (
        items is not None and len(items) > 2 and all(item is not None and item > 1 for item in items[2:])
    )
    if not several:
        return None
    return _resize(node, {**kept, "coordinate_transformation_mode": "pytorch_half_pixel"})


def _resize(node: Node, attributes: "dict[str, object]") -> Tensor:
    return op("Resize", *node.inputs, **attributes)


def _in_floats(node: Node) -> Result:
    if node.attribute("mode") != "nearest" and node[0].dtype != "float64":
        return None  # whole numbers between others
    names = ("mode", "coordinate_transformation_mode", "nearest_mode", "cubic_coeff_a", "exclude_outside")
    resized = op("Resize", cast(node[0], "float32"), *node.inputs[1:], **node.attributes(*names))
    return cast(resized, node[0].dtype)


def _upsample(node: Node) -> Result:
    scales = node.given(1)
    if scales is None:
        return None
    empty = constant([], "float32")
    attributes = {"mode": node.attribute("mode"), "coordinate_transformation_mode": "asymmetric"}
    return op("Resize", node[0], empty, scales, **attributes, nearest_mode="floor")


def _grid_sample(node: Node) -> Result:
    modes = {"bilinear": 0, "nearest": 1, "linear": 0}
    borders = {"zeros": 0, "border": 1, "reflection": 2}
    mode = modes.get(node.attribute("mode"))
    if mode is None or node.rank() != 4:
        return None
    return op(
        "mmcv::grid_sampler",
        node[0],
        node[1],
        align_corners=int(node.attribute("align_corners")),
        interpolation_mode=mode,
        padding_mode=borders[node.attribute("padding_mode")],
    )


RULES = (
    Rule("Resize", _in_floats, LIMITED, (TypeIs(0, ("float64", "int32", "int64", "uint8", "bool")),)),
    Rule("Resize", _renamed),
    Rule("Resize", _looked_up, EXACT, (Is("mode", ("nearest",)),)),
    Rule("Resize", _looked_up, ROUNDING, (Is("mode", ("linear", "cubic")),)),
    Rule("Upsample", _upsample),
    Rule("GridSample", _grid_sample, ROUNDING),
)
