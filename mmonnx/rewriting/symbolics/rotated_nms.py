"""Greedy suppression of rotated boxes in standard operators: chunk by chunk, and exact for each pair that may overlap.

Only boxes whose upright ones overlap are compared: those pairs are found by a table of a chunk, and measured as a list.
"""

from typing import Any, List, NamedTuple, Sequence, Tuple

import torch

from ...fallback import greedy_rotated
from .body import Body, Value
from .functions import DOMAIN
from .operator import Operator

_CHUNK = 256
"""Boxes that are suppressed at a time, by those kept so far and by each other."""
_LEAST_AREA = 1e-14
"""Boxes with less have no overlap, as in mmcv's kernel."""
_NO_LIMIT = 0


def _compute(boxes: torch.Tensor, group: torch.Tensor, threshold: float, limit: int) -> torch.Tensor:
    kept = [torch.zeros(0, dtype=torch.long, device=boxes.device)]
    for number in group.unique():
        rows = (group == number).nonzero()[:, 0]
        found = rows[greedy_rotated(boxes[rows], threshold)]
        kept.append(found[:limit] if limit > _NO_LIMIT else found)
    return torch.cat(kept).sort()[0]


class _Boxes(NamedTuple):
    """Boxes as columns (K,): centre, half of the sides, cosine, sine, area, and half of what they have of the axes."""

    x: Value
    y: Value
    across: Value
    down: Value
    cos: Value
    sin: Value
    area: Value
    wide: Value
    tall: Value


def _columns(body: Body, rows: Value) -> _Boxes:
    """Of rows (K, 5)."""
    x, y, width, height, angle = (body.column(rows, index) for index in range(5))
    cos, sin, across, down = body.op("Cos", angle), body.op("Sin", angle), width * 0.5, height * 0.5
    along, beside = body.op("Abs", cos), body.op("Abs", sin)
    wide, tall = across * along + down * beside, across * beside + down * along
    return _Boxes(x, y, across, down, cos, sin, width * height, wide, tall)


def _take(body: Body, boxes: _Boxes, index: Value) -> _Boxes:
    """Some of them."""
    return _Boxes(*(body.op("Gather", column, index) for column in boxes))


def _near(body: Body, rows: _Boxes, columns: _Boxes) -> Value:
    """(M, R) bool, whether boxes may overlap: the upright ones around them do."""
    gaps = [body.unsqueeze(one, 1) - two for one, two in ((rows.x, columns.x), (rows.y, columns.y))]
    bounds = [body.unsqueeze(one, 1) + two for one, two in ((rows.wide, columns.wide), (rows.tall, columns.tall))]
    beyond = [body.op("Abs", gap) > bound for gap, bound in zip(gaps, bounds)]
    return ~(beyond[0] | beyond[1])


def _shared_area(body: Body, one: _Boxes, two: _Boxes) -> Value:
    """Area (P,) that pairs of boxes share, as ``fallback.rotated.shared_area`` has it."""
    away = one.x - two.x, one.y - two.y
    middle = away[0] * two.cos + away[1] * two.sin, away[1] * two.cos - away[0] * two.sin
    cos, sin = one.cos * two.cos + one.sin * two.sin, one.sin * two.cos - one.cos * two.sin
    along, across = (cos * one.across, sin * one.across), (-(sin * one.down), cos * one.down)
    sides = two.across, two.down
    starts, edges, crossings = [], [], []
    for axis in (0, 1):
        least, most = middle[axis] - along[axis], middle[axis] + along[axis]
        start = body.stack(
            least - across[axis], most - across[axis], most + across[axis], least + across[axis], axis=0
        )  # (4, P), in turn around the box
        later = body.op("Concat", body.slice(start, 0, 1, 4), body.slice(start, 0, 0, 1), axis=0)
        edge = later - start
        step = body.op("Where", body.op("Equal", body.op("Abs", edge), 0.0), 1.0, edge)
        places = [body.op("Clip", (bound - start) / step, 0.0, 1.0) for bound in (-sides[axis], sides[axis])]
        starts.append(start)
        edges.append(edge)
        crossings.append(_sorted(body, *places))
    shares: List[Any] = [0.0, *_merged(body, *crossings), 1.0]
    curves = [
        [_bounded(body, start + edge * share, side) for share in shares]
        for start, edge, side in zip(starts, edges, sides)
    ]
    x, y = curves
    parts = [(x[number] + x[number + 1]) * (y[number + 1] - y[number]) for number in range(len(shares) - 1)]
    return body.op("Abs", body.reduce("ReduceSum", sum(parts[1:], parts[0]), 0)) * 0.5


def _sorted(body: Body, one: Value, two: Value) -> Tuple[Value, Value]:
    return body.op("Min", one, two), body.op("Max", one, two)


def _merged(body: Body, one: Tuple[Value, Value], two: Tuple[Value, Value]) -> List[Value]:
    """Two sorted pairs as a sorted list of four."""
    inner = _sorted(body, body.op("Max", one[0], two[0]), body.op("Min", one[1], two[1]))
    return [body.op("Min", one[0], two[0]), *inner, body.op("Max", one[1], two[1])]


def _bounded(body: Body, values: Value, side: Value) -> Value:
    """Values (4, P) pushed to within a side (P,) of 0."""
    return body.op("Min", body.op("Max", values, -side), side)


def _overlaps(body: Body, one: _Boxes, two: _Boxes, threshold: float) -> Value:
    """(P,) bool, whether pairs of boxes overlap by the threshold or more."""
    shared = _shared_area(body, one, two)
    union = one.area + two.area - shared
    least = body.op("Min", one.area, two.area)
    iou = body.op("Where", least < _LEAST_AREA, 0.0, shared / union)
    return ~(iou < threshold)


def _write(body: Body, boxes: Value, group: Value, threshold: float, limit: int) -> Value:
    count, table = body.size(boxes, 0), _columns(body, boxes)
    chunks = body.op("Div", body.squeeze(count, 0) + (_CHUNK - 1), _CHUNK)
    member = _members(body, group) if limit > _NO_LIMIT else None

    def step(turn: Value, kept: Value) -> Sequence[Any]:
        start = body.unsqueeze(turn * _CHUNK, 0)
        number = body.range(count)
        mine = body.slice(number, 0, start, start + _CHUNK)
        before = body.squeeze(body.op("NonZero", body.slice(kept, 0, 0, start)), 0)
        rows = body.op("Concat", before, mine, axis=0)
        earlier = body.op("Less", body.unsqueeze(rows, 1), mine)
        same = body.op("Equal", body.unsqueeze(body.op("Gather", group, rows), 1), body.op("Gather", group, mine))
        met = earlier & same
        # those kept before, as a row; of the chunk nobody knows yet
        settled = body.cast(body.op("Less", rows, start), "float")
        settled = body.unsqueeze(settled, 0)
        full = None
        if member is not None:
            enough = body.op("MatMul", body.unsqueeze(kept, 0), member) > limit - 0.5  # (1, G)
            full = body.op("Gather", enough, body.op("Gather", group, mine), axis=1)
            met = met & ~full
        conflict = _conflict(body, table, rows, mine, met, threshold)
        gone = body.op("MatMul", settled, conflict) > 0.0
        gone = gone if full is None else gone | full
        taken = body.op("Where", gone, 0.0, 1.0)  # (1, R)
        inner = body.slice(conflict, 0, body.size(before, 0), body.size(rows, 0))
        found = body.squeeze(_fixed_point(body, inner, taken), 0)
        following = [body.slice(kept, 0, 0, start), found, body.slice(kept, 0, start + _CHUNK, count)]
        kept = body.op("Concat", *following, axis=0)
        if member is None:
            return [kept], []
        later = body.cast(number > start + (_CHUNK - 1), "float")
        left, coming = (body.op("MatMul", body.unsqueeze(one, 0), member) for one in (kept, later))
        lacking = body.op("Min", body.op("Sub", float(limit), left), coming)  # of each group
        return [kept], [], body.op("ReduceMax", lacking, keepdims=0) > 0.0

    zeros = body.op("Mul", table.x, 0.0)
    (kept,) = body.loop(chunks, [("float[k]", zeros)], step)
    return body.squeeze(body.op("NonZero", kept), 0)


def _members(body: Body, group: Value) -> Value:
    """(K, G) float, 1 for the group of each."""
    last = body.op("ReduceMax", body.cast(body.op("Concat", [0], group, axis=0), "float"), keepdims=0)
    number = body.op("Range", 0, body.cast(last, "int64") + 1, 1)
    return body.cast(body.op("Equal", body.unsqueeze(group, 1), number), "float")


def _conflict(body: Body, table: _Boxes, rows: Value, mine: Value, met: Value, threshold: float) -> Value:
    """(M, R) float, 1 where the box of the row would drop that of the column.

    Args:
        rows: (M,) and mine: (R,) int64, which boxes these are.
        met: (M, R) bool, which come after each other.
    """
    if threshold <= 0:  # what does not overlap at all does so by no less
        return body.cast(met, "float")
    near = _near(body, _take(body, table, rows), _take(body, table, mine))
    pairs = body.op("NonZero", met & near)
    ours, theirs = (body.column(pairs, axis, axis=0) for axis in (0, 1))
    one, two = (_take(body, table, body.op("Gather", of, index)) for of, index in ((rows, ours), (mine, theirs)))
    over = body.cast(_overlaps(body, one, two, threshold), "float")
    empty = body.op("Mul", body.cast(met, "float"), 0.0)
    return body.op("ScatterND", empty, body.op("Transpose", pairs, perm=[1, 0]), over)


def _fixed_point(body: Body, conflict: Value, taken: Value) -> Value:
    """What is left (1, R) of what takes part (1, R), where (R, R) says who drops whom that comes later."""

    def step(turn: Value, state: Value) -> Sequence[Any]:
        hit = body.op("MatMul", state, conflict) > 0.0
        following = body.op("Where", hit, 0.0, taken)
        change = body.op("ReduceMax", body.op("Abs", following - state), keepdims=0)
        return [following], [], change > 0.0

    (left,) = body.loop(body.squeeze(body.size(taken, 1), 0), [("float[b, r]", taken)], step)
    return left


_NMS = Operator("RotatedNms", ["boxes", "group"], _compute, _write, ((torch.int64, 1),), domain=DOMAIN)


def rotated_nms(boxes: torch.Tensor, group: torch.Tensor, iou_threshold: float, limit: int = _NO_LIMIT) -> torch.Tensor:
    """Drop the rotated boxes that overlap a better one of their group by a threshold or more.

    Args:
        boxes: (K, 5) centre, width, height, angle in radians, the best first.
        group: (K,) int64, what each belongs to, such as its image.
        iou_threshold: as mmcv's kernel compares it: an overlap that is equal to it drops.
        limit: boxes behind so many of their group may be left out, 0 for none.

    Returns:
        (S,) int64, which are left, rising.
    """
    return _NMS(boxes, group, threshold=float(iou_threshold), limit=int(limit))
