"""Which of the values that Python took out of a trace make the file another function than the model."""

from typing import Callable, Dict, Iterable, List, Sequence, Tuple

from .places import Place
from .watch import DRAWN, Taken

Retrace = Callable[[], Sequence[Taken]]


def faults(taken: Sequence[Taken], retraces: Iterable[Retrace]) -> List[str]:
    """What to tell of the values that Python took out of a trace, a line each, each place once.

    A value that depends on the inputs' values is a fault. One that depends on sizes is one if they are others where the
    inputs are others: then the model is traced again on those, as the sizes inside of it are nowhere else to be had.

    Args:
        taken: what was taken out of the trace of the sample.
        retraces: what is taken out of traces of other inputs, of other sizes where these are dynamic, made when needed.
    """
    told: Dict[Place, str] = {}
    for one in taken:
        if one.hangs.data:
            told.setdefault(one.place, _line(one, "the inputs' values"))
    open_ones = [one for one in taken if not one.hangs.data and one.place not in told]
    for retrace in retraces if open_ones else ():
        others = _numbered(retrace())
        for key, one in _numbered(taken).items():
            other = others.get(key)
            if one.place not in told and other is not None and other.hangs != one.hangs:
                told[one.place] = _line(one, "a size that is dynamic")
        if all(one.place in told for one in open_ones):
            break
    order = [one.place for one in taken]
    return [told[place] for place in sorted(told, key=order.index)]


def _numbered(taken: Sequence[Taken]) -> Dict[Tuple[Place, str, int], Taken]:
    """By place, and by how often it was there before: loops come by it again."""
    counts: Dict[Tuple[Place, str], int] = {}
    found = {}
    for one in taken:
        number = counts[one.place, one.how] = counts.get((one.place, one.how), 0) + 1
        found[one.place, one.how, number] = one
    return found


def _line(one: Taken, what: str) -> str:
    if one.how == DRAWN:
        return f"{one.place} {one.how}: the file has those that were drawn for the sample"
    return f"{one.place} {one.how}, which depends on {what}: the file has what the sample gave"
