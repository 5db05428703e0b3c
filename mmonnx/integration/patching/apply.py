"""Applying the changes of one file: exactly, or not at all."""

from typing import List, Optional, Sequence

from .diff import FileDiff, Hunk


class Mismatch(Exception):
    """The code is not the code that a hunk was made for; the message names the hunk and the line."""


def apply_diff(text: Optional[str], diff: FileDiff) -> str:
    """The text of a file after its changes; None is the text of one that is not there.

    Every old line of a hunk must be there as it is. A hunk may be at another place than it says (other releases have
    more or fewer lines above) if there is only one such place behind the hunk before it.

    Raises:
        Mismatch: a hunk does not fit, or fits at several places.
    """
    if diff.creates and text is None:
        return "\n".join(diff.hunks[0].new) + "\n"
    if diff.creates or text is None:
        raise Mismatch("it is not there" if text is None else "it is there already, but not by mmonnx patch")
    lines = text.split("\n")
    done: List[str] = []  # final lines, above what is left in `lines`
    gone = 0  # old lines that are above what is left
    drift = 0  # how far the last hunk was from its place
    for number, hunk in enumerate(diff.hunks, 1):
        expected = hunk.start - 1 + drift - gone
        place = _find(lines, hunk, expected, f"hunk {number}", gone)
        drift += place - expected
        done += lines[:place] + list(hunk.new)
        lines = lines[place + len(hunk.old) :]
        gone += place + len(hunk.old)
    return "\n".join(done + lines)


def is_applied(text: Optional[str], diff: FileDiff) -> bool:
    """Whether the text looks as if the changes were in it already."""
    if diff.creates:
        return text == apply_diff(None, diff)
    try:
        apply_diff(text, diff.reversed())
    except Mismatch:
        return False
    return True


def _find(lines: Sequence[str], hunk: Hunk, expected: int, name: str, above: int) -> int:
    """The index in ``lines`` where a hunk fits; ``above`` is the number of lines before the first of them."""
    old, count = list(hunk.old), len(hunk.old)
    if expected >= 0 and list(lines[expected : expected + count]) == old:
        return expected
    places = [at for at in range(len(lines) - count + 1) if list(lines[at : at + count]) == old]
    if len(places) == 1:
        return places[0]
    if places:
        where = " and ".join(str(place + above + 1) for place in places[:2])
        raise Mismatch(f"{name} fits at lines {where}")
    at = max(expected, 0)
    for offset, line in enumerate(old):
        found = lines[at + offset] if at + offset < len(lines) else None
        if found != line:
            there = "the file ends" if found is None else f"there is {found.strip()!r}"
            raise Mismatch(f"{name}, line {at + offset + above + 1}: {there}, expected {line.strip()!r}")
    raise Mismatch(f"{name} overlaps the hunk before it")  # its lines are there, but above
