"""Hostile inputs for every entry point: each has to end in a right result, or in a clean refusal.

    python tools/fuzz.py --count 10000 --seed 0
    python tools/fuzz.py --entry predict-image --count 500
    python tools/fuzz.py --seed 0 --only 4711

An input is made from the seed and its number: a damaged ONNX file, checkpoint, config, image or video, or arguments
that make no sense. It is run in a forked process with a limit of memory and time, so that a crash of a library is a
finding and not the end. Exit status: 0 nothing was found, 1 something was, 2 wrong use.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import List, Optional

from fuzz_parts.corpus import Corpus
from fuzz_parts.entries import ENTRIES
from fuzz_parts.runner import Finding, Limits, fuzz, totals
from rich.console import Console
from rich.table import Table


def main(argv: Optional[List[str]] = None) -> int:
    """Run the inputs and print a table; returns the exit status."""
    options = _parser().parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="mmonnx-fuzz-") as name:
        work = Path(name)
        corpus = Corpus(work / "corpus")
        alone = options.only is not None
        indices = [options.only] if alone else list(range(options.start, options.start + options.count))
        limits = Limits(options.seconds, options.gigabytes)
        findings: List[Finding] = []
        for finding in fuzz(corpus, work / "inputs", options.seed, indices, options.entry, limits):
            findings.append(finding)
            if finding.problem is not None or options.verbose:
                print(describe(finding), flush=True)
    _table(findings)
    return 1 if any(finding.problem for finding in findings) else 0


def describe(finding: Finding) -> str:
    """One line for a finding."""
    told = finding.problem or f"status {finding.status}"
    return f"{finding.index} {finding.entry}: {told}: {' '.join(finding.argv)}: {finding.line}"[:600]


def _table(findings: List[Finding]) -> None:
    table = Table("entry", "inputs", "status 0", "status 1", "refused", "wrong", "seconds")
    for entry, row in sorted(totals(findings).items()):
        seconds = sum(finding.seconds for finding in findings if finding.entry == entry)
        table.add_row(entry, *(str(value) for value in row.values()), f"{seconds:.0f}")
    Console().print(table)
    wrong = sum(finding.problem is not None for finding in findings)
    print(f"{len(findings)} inputs, {wrong} of them ended wrong")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--count", type=int, default=1000, metavar="N", help="how many inputs; default: 1000")
    add("--start", type=int, default=0, metavar="N", help="the number of the first one; default: 0")
    add("--seed", type=int, default=0, metavar="S", help="default: 0")
    add("--entry", choices=sorted(ENTRIES), help="one entry point alone")
    add("--only", type=int, metavar="N", help="the input of this number alone")
    add("--seconds", type=float, default=60, metavar="X", help="of one input; default: 60")
    add("--gigabytes", type=float, default=2, metavar="X", help="of memory for one input; default: 2")
    add("--verbose", action="store_true", help="a line for every input, not for findings alone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
