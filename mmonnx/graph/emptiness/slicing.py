"""What a Slice leaves of an axis."""

from typing import List, Optional, Sequence, Tuple

from .sizes import Size, add, exactly, greatest, smallest, subtract, uncertain
from .values import Step

Cut = Tuple[int, Size, Size, int]


def shape_slice(step: Step) -> slice:
    """The part of the shape that a Shape node (opset 15) gives."""
    return slice(step.attribute("start", 0), step.attribute("end"))


def slice_cuts(step: Step) -> Optional[List[Cut]]:
    """Axis, start, end and step of each cut of a Slice, of any opset; None if they are not known."""
    rank = step.value(0).rank
    starts: Optional[Sequence[Size]]
    ends: Optional[Sequence[Size]]
    if step.attribute("starts") is not None:  # below opset 10
        starts, ends = ([exactly(int(item)) for item in step.attribute(name)] for name in ("starts", "ends"))
        axes, strides = step.attribute("axes"), None
    else:
        starts, ends = step.value(1).elements(), step.value(2).elements()
        axes, strides = step.value(3).numbers(), step.value(4).numbers()
        if any(step.value(index).dtype and known is None for index, known in ((3, axes), (4, strides))):
            return None
    if rank is None or starts is None or ends is None:
        return None
    axes = [axis % rank for axis in (range(len(starts)) if axes is None else axes)]
    return list(zip(axes, starts, ends, strides or [1] * len(axes)))


def cut(size: Size, start: Size, end: Size, stride: int, name: str) -> Size:
    """The size of ``[start:end:stride]`` of an axis."""
    first, last = start.exact, end.exact
    if size.exact is not None and first is not None and last is not None:
        length = len(range(size.exact)[first:last:stride])
        return exactly(length, name)
    if not (size.causes or start.causes or end.causes):
        return Size()
    if stride > 0 and first is not None:
        if last is not None and last < 0:
            whole = grown(size, last - first, name) if first >= 0 else uncertain(name, size.empty_if)
        elif first < 0:
            whole = smallest([size, exactly(-first)]) if last is not None else uncertain(name, size.empty_if)
        else:
            whole = grown(smallest([size, end]), -first, name)
        low = -(-whole.low // stride)
        return Size(low, whole.causes) if stride > 1 else whole
    if stride < 0 and first is not None and last is not None and first < 0 and last < -(2**31):
        return Size(min(size.low, 1), size.causes)
    certain = _known_between(size, start, end) if stride == 1 else 0
    if certain > 0:
        return Size(certain, size.causes | start.causes | end.causes)
    return uncertain(name, size.empty_if | greatest([end, exactly(1)], name).empty_if)


def _known_between(size: Size, start: Size, end: Size) -> int:
    """How many known rows lie between two counts of the rows of one table, or behind the last count.

    The axis is taken for one of that table, put in order, if it has room for all of its known rows.
    """
    first, last = start.count, end.count
    if first is None or size.low < first.rows:
        return 0
    if last is not None and last.node == first.node:
        return last.known - first.known
    return first.total - first.known if end.exact is not None and end.exact >= 2**31 - 1 else 0


def grown(size: Size, by: int, name: str) -> Size:
    """An axis with so many more elements, or fewer."""
    if by == 0:
        return size
    return add([size, exactly(by)], name) if by > 0 else subtract(size, exactly(-by), name)
