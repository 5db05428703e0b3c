"""A verification as a person reads it: a row for each case, what does not match, and what was exercised."""

from typing import Optional

from rich import box
from rich.table import Table
from rich.text import Text

from ..terminal import Report
from .outcome import CaseResult
from .verification import Verification


def show_verification(report: Report, verified: Verification) -> None:
    """Print how each case went, below the table what does not match, and what was exercised."""
    results = verified.results
    columns = [
        ("matched", lambda result: f"{result.matched}/{result.total}", True),
        ("excused", lambda result: str(result.excused), any(result.excused for result in results)),
        ("box px", lambda result: _figure(result.max_box), True),
        ("score", lambda result: _figure(result.max_score), True),
        ("mask", lambda result: _figure(result.max_mask), any(result.max_mask is not None for result in results)),
        ("PSNR", lambda result: _decibels(result.psnr), any(result.psnr is not None for result in results)),
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
    report.rows(table)
    for result in results:
        for problem in result.problems:
            report.line((f"{result.name}: ", "red"), problem)
    for word, reached in (("exercised", True), ("not exercised", False)):
        named = "; ".join(str(goal) for goal in verified.goals if goal.reached is reached)
        if named:
            report.line((f"{word}: ", "bold"), named)


def _figure(value: Optional[float]) -> str:
    return "-" if value is None else f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:.2g}"


def _decibels(value: Optional[float]) -> str:
    return "-" if value is None else f"{value:.0f} dB"


def _noise(result: CaseResult) -> str:
    """What PyTorch's own noise made necessary beyond the tolerances: pixels of a box; without boxes, a score."""
    box, score = result.allowed
    return f"{_figure(box)} px" if box else _figure(score or None)
