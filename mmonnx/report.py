"""What a person sees in the terminal: a line per stage, a progress bar where it is long, tables at the end."""

import contextlib
import json
import sys
import time
from collections import Counter
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, TextIO, Tuple, TypeVar

import onnx
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.segment import Segment, Segments
from rich.style import Style
from rich.table import Table
from rich.text import Text

from mmonnx.graph.check import Finding
from mmonnx.graph.functions import walk_nodes
from mmonnx.graph.simplify import count_nodes, file_size
from mmonnx.printable import printable
from mmonnx.symbolics.functions import MMCV
from mmonnx.verify import CaseResult, Verification

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
        self._print_table(table)

    def listing(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table with a heading; the last column wraps where the terminal is narrow."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for number, name in enumerate(columns):
            table.add_column(name, no_wrap=number < len(columns) - 1, overflow="fold")
        for row in rows:
            table.add_row(*(Text(value) for value in row))
        self._print_table(table)

    def verification(self, verified: Verification) -> None:
        """Print how each case went, below the table what does not match, and what was exercised."""
        results = verified.results
        columns = [
            ("matched", lambda result: f"{result.matched}/{result.total}", True),
            ("excused", lambda result: str(result.excused), any(result.excused for result in results)),
            ("box px", lambda result: _figure(result.max_box), True),
            ("score", lambda result: _figure(result.max_score), True),
            ("mask", lambda result: _figure(result.max_mask), any(result.max_mask is not None for result in results)),
            ("noise", _noise, any(any(result.allowed) for result in results)),
        ]
        columns = [column for column in columns if column[2]]
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column("case", overflow="fold")
        for name, _, _ in columns:
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("verdict", no_wrap=True)
        for result in results:
            verdict = Text(result.verdict, style="green" if result.ok else "bold red")
            table.add_row(Text(result.name), *(Text(show(result)) for _, show, _ in columns), verdict)
        self._print_table(table)
        for result in results:
            for problem in result.problems:
                self.console.print(Text.assemble((f"{result.name}: ", "red"), problem), soft_wrap=True)
        for word, reached in (("exercised", True), ("not exercised", False)):
            named = "; ".join(str(goal) for goal in verified.goals if goal.reached is reached)
            if named:
                self.console.print(Text.assemble((f"{word}: ", "bold"), named), soft_wrap=True)

    def findings(self, path: str, target: str, findings: Sequence[Finding]) -> None:
        """Print what a target does not take of a file: a node a row, and how many there are."""
        if not findings:
            self.console.print(Text(f"{path}: {target} takes every node"), soft_wrap=True)
            return
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for name in ("module", "node", "operator", "rule, and what to do"):
            table.add_column(name, overflow="fold")
        for finding in findings:
            inside = finding.module != finding.node  # then the node's name begins with its module's
            node = finding.node.rsplit("/", 1)[-1] if inside else finding.node or "the file"
            cells = (finding.module if inside else "", node, finding.operator, f"{finding.rule}; {finding.fix}")
            table.add_row(*(Text(printable(cell)) for cell in cells))
        self._print_table(table)
        nodes = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
        self.console.print(Text(f"{path}: {nodes} for {target}"), soft_wrap=True)

    def text(self, text: str) -> None:
        """Print a longer text as it is, for example a graph."""
        self.console.print(Text(text), soft_wrap=True)

    def next_command(self, command: str) -> None:
        """Print the command to type next, on a line of its own that can be copied whole; see ``shell.command_line``."""
        # as it is: of a Text, rich widens tabs and drops characters
        line = Segments([Segment("next: "), Segment(command, Style.parse("bold cyan")), Segment.line()])
        self.console.print(line, soft_wrap=True, end="")

    def _print_table(self, table: Table) -> None:
        with self._tables.capture() as capture:
            self._tables.print(table)
        # rich pads every row to the table's width; trailing blanks are noise in a log.
        for line in capture.get().rstrip("\n").splitlines():
            self.console.file.write((line if self.live else line.rstrip()) + "\n")


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


def _figure(value: Optional[float]) -> str:
    return "-" if value is None else f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:.2g}"


def _noise(result: CaseResult) -> str:
    """What PyTorch's own noise made necessary beyond the tolerances: pixels of a box; without boxes, a score."""
    box, score = result.allowed
    return f"{_figure(box)} px" if box else _figure(score or None)


def findings_json(path: str, target: str, findings: Sequence[Finding]) -> str:
    """The same as JSON, for programs."""
    return json.dumps(
        {"file": path, "target": target, "findings": [finding.as_dict() for finding in findings]}, indent=2
    )


def summary(
    model: onnx.ModelProto,
    nodes_before: Optional[int] = None,
    simplifier: Optional[str] = None,
    verified: Optional[Verification] = None,
    notes: Sequence[str] = (),
    path: str = "",
) -> List[Row]:
    """The rows of the closing table.

    Args:
        model: the final model.
        nodes_before: the number of nodes before simplification; None if it was not asked for.
        simplifier: the tool whose result the model is; None if it is not simplified.
        verified: what the verification says; None if it was not asked for.
        notes: further lines, for example of an axis that stays static.
        path: the file.
    """
    rows = [("file", f"{path}, {file_size(model)}" if path else file_size(model))]
    rows += [("input", describe_value(value)) for value in model.graph.input]
    rows += [("output", describe_value(value)) for value in model.graph.output]
    rows.append(("opset", ", ".join(f"{entry.domain or 'onnx'} {entry.version}" for entry in model.opset_import)))
    custom = Counter(node.op_type for node in walk_nodes(model.graph) if node.domain == MMCV)
    if custom:
        counted = ", ".join(f"{count} {name}" for name, count in sorted(custom.items()))
        rows.append(("custom ops", f"{counted}: {'with' if model.functions else 'without'} bodies in the file"))
    nodes = str(count_nodes(model))
    if nodes_before is not None:
        nodes = f"{nodes_before} before, {nodes} after {simplifier}" if simplifier else f"{nodes}, not simplified"
    rows.append(("nodes", nodes))
    rows.append(("verified", "not asked for (--verify)" if verified is None else _verdict(verified)))
    return rows + [("note", note) for note in notes]


def _verdict(verified: Verification) -> str:
    """How many cases count, and hold: where neither side finds anything, nothing is shown."""
    bad = [result.name for result in verified.results if not result.ok]
    empty = sum(result.verdict == "empty" for result in verified.results)
    counted = len(verified.results) - empty
    rest = f"; {empty} without anything to find" if empty else ""
    if bad:
        return f"{counted - len(bad)} of {counted} cases; not: {', '.join(bad)}{rest}"
    return f"{counted} of {counted} cases agree with PyTorch{rest}" if counted else f"nothing was compared{rest}"


def describe_value(value: onnx.ValueInfoProto) -> str:
    """An input or output for people: ``input float32 (batch, 3, height, width)``."""
    tensor = value.type.tensor_type
    kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name if tensor.elem_type else "?"
    dims = [dim.dim_param or (str(dim.dim_value) if dim.HasField("dim_value") else "?") for dim in tensor.shape.dim]
    return f"{value.name} {kind} ({', '.join(dims)})"
