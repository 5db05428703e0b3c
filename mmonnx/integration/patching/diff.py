"""Reading unified diffs: only what the project's own patches use, and that strictly."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Iterator, List, NoReturn, Tuple

from ...support import InputError

_NOTHING = "--- /dev/null"
"""What a new file is made from."""
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True)
class Hunk:
    """One change of one file.

    Attributes:
        start: line number of the first old line, from 1.
        old: the lines that must be there, without line ends: context and what goes.
        new: the lines that take their place: context and what comes.
    """

    start: int
    old: Tuple[str, ...]
    new: Tuple[str, ...]


@dataclass(frozen=True)
class FileDiff:
    """The changes of one file.

    Attributes:
        path: relative to the root of a checkout.
        hunks: in the order of the file; one without old lines where it is a new file.
        creates: whether it is a new file, which nothing may be in the place of.
    """

    path: str
    hunks: Tuple[Hunk, ...]
    creates: bool = False

    def reversed(self) -> "FileDiff":
        """The changes of an old file that take these back; the hunks are where it has them."""
        return FileDiff(self.path, tuple(Hunk(hunk.start, hunk.new, hunk.old) for hunk in self.hunks))


@dataclass(frozen=True)
class Diff:
    """A patch as its file says it.

    Attributes:
        title: the first line of the file: what it fixes, in one sentence.
        files: the changes.
    """

    title: str
    files: Tuple[FileDiff, ...]


def parse(text: str, name: str) -> Diff:
    """Read a unified diff.

    Args:
        text: the content of the file: a title, more prose, and the diff.
        name: the file's name, for errors.

    Raises:
        InputError: it is no such diff; the line is named.
    """
    lines = _Lines(text, name)
    title = lines.next_line("a title")
    files = []
    while lines.left():
        if lines.peek().startswith("--- "):
            files.append(_parse_file(lines))
        elif files or lines.peek().startswith(("+++ ", "@@ ")):
            lines.fail("'--- a/FILE' or '@@'")
        else:
            lines.next_line("prose")
    if not title or not files:
        lines.fail("a title and a diff")
    return Diff(title, tuple(files))


class _Lines:
    """The lines of a diff, and where the reader is."""

    def __init__(self, text: str, name: str) -> None:
        self._lines = text.split("\n")
        if self._lines[-1] == "":  # the end of the last line
            self._lines.pop()
        self._name, self._at = name, 0

    def left(self) -> bool:
        return self._at < len(self._lines)

    def peek(self) -> str:
        return self._lines[self._at] if self.left() else ""

    def next_line(self, expected: str) -> str:
        if not self.left():
            self.fail(expected)
        self._at += 1
        return self._lines[self._at - 1]

    def fail(self, expected: str) -> NoReturn:
        raise InputError(f"{self._name} is broken at line {self._at + 1}", expected, "install mmonnx again")


def _parse_file(lines: _Lines) -> FileDiff:
    creates = lines.peek() == _NOTHING
    old = lines.next_line("a path") if creates else _parse_path(lines, "--- a/")
    new = _parse_path(lines, "+++ b/")
    if old != new and not creates:
        lines.fail("the same file twice")
    hunks = []
    while lines.peek().startswith("@@ "):
        hunks.append(_parse_hunk(lines))
    if not hunks:
        lines.fail("'@@'")
    if creates and (len(hunks) > 1 or hunks[0].old):
        lines.fail("one hunk of new lines alone")
    return FileDiff(new, tuple(hunks), creates)


def _parse_path(lines: _Lines, mark: str) -> str:
    line = lines.peek()
    if not line.startswith(mark) or not is_inside(line[len(mark) :]):
        lines.fail(f"'{mark}FILE'")
    return lines.next_line("a path")[len(mark) :]


def is_inside(path: str) -> bool:
    """Whether a relative path stays below the folder that it is relative to."""
    parts = PurePosixPath(path).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts


def _parse_hunk(lines: _Lines) -> Hunk:
    head = _HUNK.fullmatch(lines.peek())
    if not head:
        lines.fail("'@@ -LINE,COUNT +LINE,COUNT @@'")
    lines.next_line("a hunk")
    start, count_old, _, count_new = (1 if number is None else int(number) for number in head.groups())
    old: List[str] = []
    new: List[str] = []
    for sign, line in _body(lines, count_old + count_new, old, new, (count_old, count_new)):
        if sign in " -":
            old.append(line)
        if sign in " +":
            new.append(line)
    return Hunk(start, tuple(old), tuple(new))


def _body(
    lines: _Lines, most: int, old: List[str], new: List[str], counts: Tuple[int, int]
) -> Iterator[Tuple[str, str]]:
    """The lines of a hunk until both counts are reached."""
    for _ in range(most):
        if (len(old), len(new)) == counts:
            return
        line = lines.peek()
        if line[:1] not in (" ", "-", "+") or len(old) > counts[0] or len(new) > counts[1]:
            lines.fail("as many lines of ' ', '-' and '+' as the hunk says")
        lines.next_line("a line of the hunk")
        yield line[0], line[1:]
