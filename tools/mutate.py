"""Plant faults into files that are right, and tell how many of them the verification finds.

    python tools/mutate.py
    python tools/mutate.py --models digits-detector mask-rcnn --count 40 --seed 3
    python tools/mutate.py --models retinanet --kinds class-row config-score-thr

Each model is exported once, and its file has to pass the verification. Faults are then planted, one at a time, into
the file or into the config of the model that is traced: of each kind some, chosen by the seed. A fault that passes is
tried on many further pictures: if none of them shows it, it is none. The rate is of those that are one. Exit status:
0 at least the share of --least was found and no right file refused, 1 not, 2 wrong use.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import List, Optional

from mutate_parts.faults import kind_names
from mutate_parts.running import ModelReport, Outcome, Plan, survey
from mutate_parts.subjects import SHORT, SUBJECTS
from mutate_parts.table import COLUMNS, as_data, is_good, kill_rate, line, real, row, survivors
from rich.console import Console
from rich.table import Table

from mmonnx.support.atomic import replacing

SHORT_COUNT = 24
"""Faults a model in the run for every change."""


def main(argv: Optional[List[str]] = None) -> int:
    """Plant, verify, judge and report; returns the exit status."""
    options = _parser().parse_args(argv)
    models = list(SHORT if options.short else options.models or SUBJECTS)
    count = options.count or (SHORT_COUNT if options.short else Plan.count)
    plan = Plan(count, options.seed, options.kinds, options.pictures, options.seconds)
    reports: List[ModelReport] = []

    def tell(outcome: Outcome) -> None:
        if options.verbose:
            print(line(outcome), flush=True)

    for report in survey(models, plan, tell, options.jobs):
        reports.append(report)
        print(", ".join(f"{name} {value}" for name, value in zip(COLUMNS, row(report))), flush=True)
        if report.alarm:
            print(f"false alarm: {report.model}: {report.alarm}", flush=True)
    _summarize(reports)
    if options.json:
        settings = {"seed": plan.seed, "count": plan.count, "pictures": plan.pictures, "kinds": plan.kinds}
        with replacing(options.json) as path:
            path.write_text(json.dumps(as_data(reports, settings), indent=1), encoding="utf-8")
    return 0 if is_good(reports, options.least) else 1


def _summarize(reports: List[ModelReport]) -> None:
    table = Table(*COLUMNS)
    for report in reports:
        table.add_row(*row(report))
    Console().print(table)
    faults, passed = real(reports), survivors(reports)
    for one in passed:
        print(line(one))
    print(f"kill rate {kill_rate(reports):.2%}, {sum(bool(report.alarm) for report in reports)} false alarms")
    print(f"{len(faults) - len(passed)} of {len(faults)} faults killed")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    default = Plan()
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--models", nargs="+", choices=list(SUBJECTS), metavar="NAME", help="default: all")
    chosen.add_argument("--short", action="store_true", help=f"{', '.join(SHORT)}, and of each {SHORT_COUNT} faults")
    add("--kinds", nargs="+", choices=kind_names(), metavar="NAME", help="default: all")
    add("--count", type=int, metavar="N", help=f"faults a model at most; default: {default.count}")
    add("--seed", type=int, default=default.seed, metavar="S", help="default: %(default)s")
    add("--pictures", type=int, default=default.pictures, metavar="N", help="that judge; default: %(default)s")
    add("--seconds", type=float, default=default.seconds, metavar="X", help="of a fault; default: %(default)s")
    add("--jobs", type=int, default=1, metavar="N", help="models at a time; default: 1")
    add("--least", type=float, default=0.99, metavar="SHARE", help="that has to be found; default: 0.99")
    add("--verbose", action="store_true", help="a line for every fault as it is there, not for survivors alone")
    add("--json", type=Path, metavar="FILE", help="all outcomes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
