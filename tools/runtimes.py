"""Run twelve models in every runtime that is installed, and keep what comes of it in mmonnx/targets/runs.json.

    python tools/runtimes.py
    python tools/runtimes.py yolov3 fcos --runtime mnn
    python tools/runtimes.py --table

Each model is exported with the default target and with the runtime's own, simplified, with every axis dynamic, and run
in that runtime on the pictures of a verification: photographs of two sizes, a batch of two, a padded and a dark one;
docs/running.md says how each runtime is found. Where one is not installed, what was found of it before stays, and
what docs/coverage-NAME.md tells of it is taken where nothing was. The table in docs/targets.md is written from the
file, with --table alone. Exit status: 0 all is kept, whatever the runtimes gave; 1 of a model nothing could be said;
2 wrong use.
"""

import argparse
import datetime
import re
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Dict, List, NoReturn, Optional, Sequence

from runtimes_parts import covered, process, record, table
from runtimes_parts.models import MODELS, Model
from zoo_parts.process import Limits

from mmonnx.runtime.engines import ENGINES
from mmonnx.support.atomic import check_writable, replacing
from mmonnx.support.errors import InputError, MmonnxError
from mmonnx.support.version import __version__
from mmonnx.targets import TARGETS
from mmonnx.targets.runs import RUNS, recorded
from mmonnx.terminal.report import Report

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "targets.md"


class _Parser(argparse.ArgumentParser):
    """Reports a wrong argument in one line, as every other error."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"command line: {message}", "the arguments of --help", "fix the command")


def main(argv: Optional[List[str]] = None) -> int:
    """Run the models; returns the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        options = _parser().parse_args(argv)
        held = options.table or run(options)
        write_table()
    except MmonnxError as error:
        print(f"runtimes: error: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print("runtimes: stopped; what is in the file of runs is whole", file=sys.stderr)
        return 130
    return 0 if held else 1


def run(options: argparse.Namespace) -> bool:
    """Run what is asked for, a model after the other; whether something could be said of all."""
    report, asked = Report(), options.runtime or runnable()
    versions = {name: found for name, found in ((name, version(name, report)) for name in asked) if found}
    if options.runtime and not versions:
        raise InputError(f"{', '.join(asked)} is not installed", "a runtime that is", "docs/running.md says how")
    check_writable(RUNS)
    limits, held = Limits(options.seconds, options.memory), True
    for name in options.models or MODELS:
        if versions:
            held &= run_model(MODELS[name], versions, limits, report)
    take_over([name for name in asked if name not in versions])
    return held


def runnable() -> List[str]:
    """The targets whose runtimes mmonnx knows how to run, in the order of the targets."""
    return [name for name, target in TARGETS.items() if target.engine in ENGINES]


def version(name: str, report: Report) -> str:
    """The numbers of a runtime's version, empty where it is not installed, which is told."""
    try:
        found = re.match(r"[\d.]*\d", ENGINES[TARGETS[name].engine].version())
    except InputError as error:
        report.warn(f"{name} is left as it was: {error.what} ({error.fix})")
        return ""
    return found[0] if found else "unknown"


def run_model(model: Model, versions: Dict[str, str], limits: Limits, report: Report) -> bool:
    """Run one model and keep what comes of it; whether something could be said in every runtime."""
    started, stop = time.monotonic(), threading.Event()
    try:
        with tempfile.TemporaryDirectory(prefix="mmonnx-") as folder:
            found = process.run_apart(model, list(versions), limits, Path(folder), stop)
    except MmonnxError as error:
        report.warn(str(error))
        return False
    when = {"date": datetime.date.today().isoformat(), "mmonnx": __version__}
    good = {name: one for name, one in found["runs"].items() if "problem" not in one}
    keep(model, found["config_text"], {name: {"version": versions[name], **when, **one} for name, one in good.items()})
    for name, one in found["runs"].items():
        told = one["problem"] if "problem" in one else [one[file]["verdict"] for file in ("default", "target")]
        report.text(f"{model.name:<18} {name:<16} {told if isinstance(told, str) else ', '.join(told)}")
    report.text(f"{model.name:<18} {time.monotonic() - started:.0f} s")
    return len(good) == len(found["runs"])


def keep(model: Model, config_text: str, runs: Dict[str, Any]) -> None:
    """Put runs of one model into the file of runs, in the place of those in the same runtimes."""
    entries = record.read(RUNS)
    entries[model.name] = record.merged(entries.get(model.name, {}), model, config_text, runs)
    record.write(RUNS, entries, list(MODELS), runnable())


def take_over(names: Sequence[str]) -> None:
    """Of runtimes that are not here, take what a sweep's page tells of models that the tool never ran in them."""
    entries = record.read(RUNS)
    for name in names:
        known = {model for model, entry in entries.items() if not entry["runs"].get(name, {"source": 1}).get("source")}
        for model, one in covered.covered(ROOT, name, [MODELS[key] for key in entries if key not in known]).items():
            keep(MODELS[model], "", {name: one})


def write_table() -> None:
    """Write the page's table from the file of runs."""
    text = table.with_table(PAGE.read_text(encoding="utf-8"), recorded(RUNS))
    with replacing(PAGE) as path:
        path.write_text(text, encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="runtimes", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("models", nargs="*", metavar="MODEL", type=_of(MODELS), help=f"default: all; {', '.join(MODELS)}")
    add("--runtime", action="append", metavar="NAME", type=_of(runnable()), help="default: all that are installed")
    add("--table", action="store_true", help="run nothing: write the table of docs/targets.md from the file of runs")
    add("--seconds", type=_number, default=3600, metavar="N", help="time limit of a model; default: 3600")
    add("--memory", type=_number, default=12, metavar="GIB", help="memory limit of a model; default: 12")
    return parser


def _of(names: Any) -> Any:
    def one(name: str) -> str:
        if name not in names:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(names)}")
        return name

    return one


def _number(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
