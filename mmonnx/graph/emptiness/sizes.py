"""Sizes of axes, of which is known how small they can be and what makes them zero."""

from dataclasses import dataclass
from typing import FrozenSet, Iterable, List, Optional, Sequence, Tuple

# Nodes that all have to give nothing; and several such sets, any one of which is enough.
Cause = FrozenSet[str]
Causes = FrozenSet[Cause]
NO_CAUSES: Causes = frozenset()


@dataclass(frozen=True)
class Count:
    """Where a size is the number of rows of the first groups of a table.

    Attributes:
        node: what counts them; each of its counts includes the one before.
        known: how many of them are known rows.
        total: how many known rows the table has.
        rows: the table has at least this many rows.
    """

    node: str
    known: int
    total: int
    rows: int


@dataclass(frozen=True)
class Size:
    """The size of an axis, or a whole number that may become one.

    Only the data decide whether an axis is "possibly empty": one whose size follows from the shape of the input is not,
    as an image has pixels.

    Attributes:
        low: it is at least this; as good as 1 for what the input's shape decides.
        causes: sets of nodes that may give nothing. While ``low`` is 0 or less, the size is zero as soon as
            all the nodes of any one set give nothing.
        exact: the number itself, if it is known.
        count: what it counts, if that is known.
    """

    low: int = 1
    causes: Causes = NO_CAUSES
    exact: Optional[int] = None
    count: Optional[Count] = None

    @property
    def empty_if(self) -> Causes:
        """What makes it zero, nothing if it cannot be."""
        return self.causes if self.low <= 0 else NO_CAUSES


def exactly(number: int, cause: str = "") -> Size:
    """A known number; a zero is a constant without elements, which ``cause`` names."""
    return Size(number, node_cause(cause) if number == 0 and cause else NO_CAUSES, number)


def uncertain(node: str, other: Iterable[Cause] = ()) -> Size:
    """A number that the data decide in ``node``, and that is zero for the other causes too."""
    return Size(0, node_cause(node).union(other))


def node_cause(node: str) -> Causes:
    """The causes of what one node alone decides."""
    return frozenset([frozenset([node])])


def covers(causes: Causes, cause: Cause) -> bool:
    """Whether something that ``causes`` make empty is empty in the case of ``cause``."""
    return any(known <= cause for known in causes)


def known_numbers(sizes: Sequence[Size]) -> Optional[List[int]]:
    """The numbers themselves, if all of them are known."""
    found = [size.exact for size in sizes if size.exact is not None]
    return found if len(found) == len(sizes) else None


def add(sizes: Sequence[Size], node: str) -> Size:
    """The sum, zero only if all are."""
    low, causes = sum(size.low for size in sizes), _causes(sizes)
    known = known_numbers(sizes)
    exact = sum(known) if known is not None else None
    if low > 0 or not causes:
        return Size(low if exact is not None else max(low, 1), causes, exact)
    rest = [size for size in sizes if size.exact != 0]
    return rest[0] if len(rest) == 1 else _all_empty(rest, node)


def subtract(left: Size, right: Size, node: str) -> Size:
    """The difference."""
    if left.exact is not None and right.exact is not None:
        return Size(left.exact - right.exact, NO_CAUSES, left.exact - right.exact)
    causes = left.causes | right.causes
    if not causes:
        return Size()
    low = left.low - right.exact if right.exact is not None else 0
    return Size(low, causes) if low > 0 else uncertain(node, left.empty_if)


def multiply(sizes: Sequence[Size]) -> Size:
    """The product, zero if any is."""
    low, exact = 1, 1  # type: int, Optional[int]
    for size in sizes:
        low *= max(size.low, 0)
        exact = exact * size.exact if exact is not None and size.exact is not None else None
    empty_if = frozenset().union(*(size.empty_if for size in sizes))
    return Size(low, empty_if or _causes(sizes), exact)


def divide(left: Size, right: Size, node: str) -> Size:
    """The quotient, rounded down."""
    if left.exact is not None and right.exact:
        return Size(left.exact // right.exact, NO_CAUSES, left.exact // right.exact)
    if not left.causes and not right.causes:
        return Size()
    low = left.low // right.exact if right.exact and right.exact > 0 else 0
    return Size(low, left.causes) if low > 0 else uncertain(node, left.empty_if)


def smallest(sizes: Sequence[Size]) -> Size:
    """The minimum."""
    empty_if = frozenset().union(*(size.empty_if for size in sizes))
    exact = known_numbers(sizes)
    known = min(exact) if exact is not None else None
    low = min(size.low for size in sizes)
    return Size(low if empty_if or known is not None else max(low, 1), empty_if or _causes(sizes), known)


def greatest(sizes: Sequence[Size], node: str) -> Size:
    """The maximum."""
    low = max(size.low for size in sizes)
    exact = known_numbers(sizes)
    known = max(exact) if exact is not None else None
    if low > 0 or not _causes(sizes):
        return Size(low if known is not None else max(low, 1), _causes(sizes), known)
    return _all_empty(sizes, node)


def broadcast(sizes: Sequence[Size]) -> Size:
    """The common size of axes of which those of size 1 are repeated."""
    wide = [size for size in sizes if size.exact != 1]
    if not wide:
        return Size(1, NO_CAUSES, 1)
    if len(wide) == 1:
        return wide[0]
    empty_if = frozenset().union(*(size.empty_if for size in wide))
    exact = next((size.exact for size in wide if size.exact is not None), None) if not empty_if else None
    return Size(0 if empty_if else max(size.low for size in wide), empty_if or _causes(wide), exact)


def broadcast_shapes(shapes: Sequence[Tuple[Size, ...]]) -> Tuple[Size, ...]:
    """The shape that elementwise operators give."""
    rank = max(len(shape) for shape in shapes)
    padded = [(Size(1, NO_CAUSES, 1),) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(broadcast(axis) for axis in zip(*padded))


def _all_empty(sizes: Sequence[Size], node: str) -> Size:
    """A size that is zero where all of these are."""
    if not sizes:
        return uncertain(node)
    common = frozenset.intersection(*(size.empty_if for size in sizes))
    own = [size.empty_if - common for size in sizes]
    if not all(own):  # one of them is zero for a common cause only
        return Size(0, common) if common else uncertain(node)
    if all(len(causes) == 1 for causes in own):
        return Size(0, common | {frozenset().union(*(cause for causes in own for cause in causes))})
    return uncertain(node, common)


def _causes(sizes: Iterable[Size]) -> Causes:
    return frozenset().union(*(size.causes for size in sizes))
