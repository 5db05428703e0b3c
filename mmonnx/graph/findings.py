"""What a target does not take of a file, for people and for programs."""

import json
from typing import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from ..support import printable
from ..terminal import Report
from .check import Finding


def show_findings(report: Report, path: str, target: str, findings: Sequence[Finding]) -> None:
    """Print what a target does not take of a file: a node a row, and how many there are."""
    if not findings:
        report.line(f"{path}: {target} supports every node")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("module", "node", "operator", "rule, and what to do"):
        table.add_column(name, overflow="fold")
    for finding in findings:
        inside = finding.module != finding.node  # then the node's name begins with its module's
        node = finding.node.rsplit("/", 1)[-1] if inside else finding.node or "the file"
        cells = (finding.module if inside else "", node, finding.operator, f"{finding.rule}; {finding.fix}")
        table.add_row(*(Text(printable(cell)) for cell in cells))
    report.rows(table)
    nodes = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    report.line(f"{path}: {nodes} for {target}")


def findings_json(path: str, target: str, findings: Sequence[Finding]) -> str:
    """The same as JSON, for programs."""
    return json.dumps(
        {"file": path, "target": target, "findings": [finding.as_dict() for finding in findings]}, indent=2
    )
