"""What a comparison says, for people and as data."""

import os
from dataclasses import asdict
from typing import Any, Dict, List, Tuple

from ..support import printable
from ..terminal import Report
from .comparing import Compared, Comparison
from .differences import MARGIN
from .reference import FINE, GROSS
from .searching import First


def as_data(found: Comparison) -> Dict[str, Any]:
    """A comparison as JSON holds it."""
    return {
        "file": found.file,
        "runtime": found.title,
        "equal": found.equal,
        "inputs": [{**asdict(one), "equal": one.equal} for one in found.inputs],
    }


def show_comparison(report: Report, found: Comparison) -> None:
    """Print how each input went, and the first operator at fault."""
    rows = [row for one in found.inputs for row in _rows(one)]
    report.line((f"{printable(found.file)} in {found.title}, against ONNX Runtime", "bold"))
    report.listing(["input", "output", "answer"], rows)
    for one in found.inputs:
        if one.first is not None:
            report.line((f"the first operator at fault, on {printable(one.name)}:", "bold"))
            report.table(_first(one.first))
    if not found.equal:
        report.line(
            f"allowed: floats {FINE.share:g} of their tensor's magnitude ({GROSS.share:g} where an operator is wrong "
            f"by more than that) and {MARGIN:g} times what a few roundings on the inputs make of it in ONNX Runtime; "
            "integers nothing; what depends on roundings is not compared"
        )


def _rows(one: Compared) -> List[Tuple[str, str, str]]:
    shapes = " ".join("x".join(map(str, shape)) for shape in one.shapes.values())
    name = printable(f"{os.path.basename(one.name)[:30]} {shapes}")
    if one.failure:
        return [(name, "-", printable(one.failure))]
    rows = [(name, key, text) for key, text in one.differences.items()]
    rows += [(name, key, "depends on roundings") for key in one.by_chance if key not in one.differences]
    return rows or [(name, "all", "equal")]


def _first(first: First) -> List[Tuple[str, str]]:
    def listed(values: Dict[str, str]) -> str:
        return ", ".join(f"{name} {text}" for name, text in values.items()) or "none"

    rows = [("node", first.node), ("operator", first.operator), ("module", first.module or "unknown")]
    rows += [("inputs", listed(first.inputs)), ("outputs", listed(first.outputs)), ("difference", first.what)]
    rows += [("by itself", first.alone)] if first.alone else []
    return [(name, printable(text)) for name, text in rows]
