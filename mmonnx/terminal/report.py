"""A line per stage, a progress bar where it is long, tables at the end."""

import contextlib
import sys
import time
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, TextIO, Tuple, TypeVar

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.segment import Segment, Segments
from rich.style import Style
from rich.table import Table
from rich.text import Text

Item = TypeVar("Item")
Row = Tuple[str, str]

_NAME_WIDTH = 10


class Report:
    """Writes to a terminal in colour with progress bars, to anything else in plain lines without control characters.

    Args:
        file: where to; the standard output as it is now if None.
    """

    def __init__(self, file: Optional[TextIO] = None) -> None:
        file = file or sys.stdout
        self.live = file.isatty()
        # Told, not found out: rich takes environment variables such as FORCE_COLOR for a terminal.
        how: Dict[str, Any] = {"force_terminal": self.live, "no_color": not self.live, "force_jupyter": False}
        self.console = Console(file=file, highlight=False, markup=False, **how)
        # Below 80 columns the terminal itself may wrap: a table squeezed into less cannot be read.
        self._tables = Console(file=file, highlight=False, markup=False, width=max(self.console.width, 80), **how)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator["Stage"]:
        """One stage of the work: prints its name, notes and seconds when it ends, also when it fails."""
        stage = Stage(name, self.console, self.live)
        started, failed = time.perf_counter(), True
        try:
            with stage.bar:
                yield stage
            failed = False
        finally:
            note = ", ".join((["failed"] if failed else []) + stage.notes)
            self._line(name, note, f"{time.perf_counter() - started:.1f} s", "red" if failed else "")

    def _line(self, name: str, note: str, seconds: str, style: str) -> None:
        room = max(self.console.width - _NAME_WIDTH - 1 - len(seconds) - 1, 10)
        line = Text.assemble((f"{name:<{_NAME_WIDTH}} ", "bold"), (f"{note:<{room}} ", style), (seconds, "dim"))
        self.console.print(line, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print a warning, on one line however long it is, so that it can be searched for."""
        self.console.print(Text.assemble(("warning: ", "yellow"), text), soft_wrap=True)

    def table(self, rows: Sequence[Row]) -> None:
        """Print the closing table: a name and a value a row; see :func:`summary`."""
        table = Table(box=box.SIMPLE_HEAD, show_header=False, pad_edge=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(Text(name), Text(value))
        self.rows(table)

    def listing(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table with a heading; the last column wraps where the terminal is narrow."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for number, name in enumerate(columns):
            table.add_column(name, no_wrap=number < len(columns) - 1, overflow="fold")
        for row in rows:
            table.add_row(*(Text(value) for value in row))
        self.rows(table)

    def rows(self, table: Table) -> None:
        """Print a table of rich's as it is, without the blanks that fill its rows up."""
        with self._tables.capture() as capture:
            self._tables.print(table)
        # rich pads every row to the table's width; trailing blanks are noise in a log.
        for line in capture.get().rstrip("\n").splitlines():
            self.console.file.write((line if self.live else line.rstrip()) + "\n")

    def line(self, *parts: Any) -> None:
        """Print one line, however long it is, of texts and of (text, style)."""
        self.console.print(Text.assemble(*parts), soft_wrap=True)

    def text(self, text: str) -> None:
        """Print a longer text as it is, for example a graph."""
        self.console.print(Text(text), soft_wrap=True)

    def next_command(self, command: str) -> None:
        """Print the command to type next, on a line of its own that can be copied whole; see ``shell.command_line``."""
        # as it is: of a Text, rich widens tabs and drops characters
        line = Segments([Segment("next: "), Segment(command, Style.parse("bold cyan")), Segment.line()])
        self.console.print(line, soft_wrap=True, end="")


class _Counted(BarColumn):
    """A bar, once it is known how long the stage is."""

    def render(self, task: Task) -> Any:
        return Text() if task.total is None else super().render(task)


class _Count(MofNCompleteColumn):
    """``2/5``, once it is known how long the stage is."""

    def render(self, task: Task) -> Text:
        return Text() if task.total is None else super().render(task)


class Stage:
    """A stage under way: collects notes, shows progress. Made by :meth:`Report.stage`."""

    def __init__(self, name: str, console: Console, live: bool) -> None:
        self.name = name
        self.notes: List[str] = []
        self.bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            _Counted(bar_width=30),
            _Count(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not live,
        )
        self._task = self.bar.add_task(name, total=None)

    def note(self, text: str) -> None:
        """Add to what the stage's line says, for example ``1219 nodes``."""
        self.notes.append(text)

    def show(self, text: str) -> None:
        """Show what is at work beside the stage's name, until it ends."""
        self.bar.update(self._task, description=f"{self.name}: {text}")

    def progress(self, items: Iterable[Item], total: Optional[int] = None) -> Iterator[Item]:
        """Pass the items on, and show how many are done.

        Args:
            items: anything; its length is the total if it has one.
            total: how many there will be.
        """
        if total is None and hasattr(items, "__len__"):
            total = len(items)  # type: ignore[arg-type]
        self.bar.update(self._task, total=total, completed=0)
        for item in items:
            yield item
            self.bar.advance(self._task)
