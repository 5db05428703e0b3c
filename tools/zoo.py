"""Export configs of the installed codebases, one after the other, and tell which of them give PyTorch's answers.

    python tools/zoo.py --codebase mmcls --families
    python tools/zoo.py --codebase mmdet --all --sample 150 --out work_dirs/many --resume
    python tools/zoo.py 'mmdet::solo*/*' my_config.py

Every config is exported in a process of its own, with seeded random weights; nothing is downloaded. One that fails,
hangs or crashes is a row of the table; of installed configs with one and the same model, one is exported. In the
folder OUT are then results.jsonl, from which --resume goes on, and coverage.md; of a table that --coverage names, the
sections of other codebases stay, and with --keep the rows of configs that OUT has no result of. Exit status: 0 every
config matched, 1 some did not, 2 wrong use.
"""

import argparse
import importlib.metadata
import platform
import signal
import sys
from pathlib import Path
from typing import Dict, List, NoReturn, Optional

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from zoo_parts import selection
from zoo_parts.likeness import Likeness
from zoo_parts.process import Limits
from zoo_parts.sweep import Record, Sweep, append, read_records
from zoo_parts.table import causes, coverage

from mmonnx.runtime.engines import ENGINES
from mmonnx.support.atomic import check_writable, replacing
from mmonnx.support.errors import InputError, MmonnxError
from mmonnx.targets import TARGETS
from mmonnx.terminal.report import Report

_TOOLBOXES = (
    "mmcv",
    "mmcv-full",
    "mmcv-lite",
    "mmengine",
    "mmdet",
    "mmcls",
    "mmpretrain",
    "mmsegmentation",
    "mmpose",
    "mmrotate",
    "mmedit",
    "mmocr",
    "mmaction2",
)
_PACKAGES = ("mmonnx", "torch", "torchvision", "onnxruntime", *_TOOLBOXES, "timm", "transformers")


class _Parser(argparse.ArgumentParser):
    """Reports a wrong argument in one line, as every other error."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"command line: {message}", "the arguments of --help", "fix the command")


def main(argv: Optional[List[str]] = None) -> int:
    """Run the sweep; returns the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run(_parser().parse_args(argv))
    except MmonnxError as error:
        print(f"zoo: error: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print("zoo: stopped; --resume goes on from here", file=sys.stderr)
        return 130


def run(options: argparse.Namespace) -> int:
    """Choose, sweep and report; returns the exit status."""
    chosen = choose(options)
    lines = options.out / "results.jsonl"
    check_writable(lines)
    known = read_records(lines) if options.resume else []
    if not options.resume:
        lines.unlink(missing_ok=True)
    settled = [record for record in known if record["ok"] or not options.retry]
    done = {record["config"] for record in settled}
    todo = [entry for entry in chosen if entry.config not in done]
    report = Report()
    report.text(f"{len(todo)} configs to sweep, {len(chosen) - len(todo)} known; {lines}")
    sweep = Sweep(Limits(options.seconds, options.memory), options.jobs, versions(), options.target or "")
    follow(sweep, Likeness(todo, settled), lines, report)
    records = read_records(lines)
    document = options.coverage or options.out / "coverage.md"
    previous = options.coverage.read_text(encoding="utf-8") if options.coverage and document.exists() else ""
    with replacing(document) as path:
        path.write_text(coverage(records, previous, options.target or "", options.keep), encoding="utf-8")
    wanted = {entry.config for entry in chosen}
    results = [record for record in records if record["config"] in wanted]
    good = sum(record["ok"] for record in results)
    report.text(f"\n{causes(results)}\n{good} of {len(chosen)} configs match".lstrip("\n"))
    return 0 if good == len(chosen) else 1


def choose(options: argparse.Namespace) -> List[selection.Entry]:
    """The configs that the command line asks for.

    Raises:
        InputError: it asks for none, or in two ways, or for a sample of something else than all or quick.
    """
    ways = [options.families, options.all, options.quick, bool(options.patterns)]
    if sum(ways) != 1:
        raise InputError(
            f"command line: {sum(ways)} ways to choose configs",
            "one of --families, --all, --quick, PATTERN",
            "give one",
        )
    codebases = [options.codebase] if options.codebase else selection.installed()
    if options.sample and not (options.all or options.quick):
        raise InputError(f"command line: --sample {options.sample} without --all", "both, or --quick", "add --all")
    if options.keep and not options.coverage:
        raise InputError("command line: --keep without --coverage", "both", "add --coverage FILE")
    if options.patterns:
        return selection.matching(options.patterns, codebases)
    if options.quick:
        quick = [entry for entry in selection.quick() if entry.codebase in codebases]
        return selection.drawn(quick, options.sample) if options.sample else quick
    rule = selection.families if options.families else selection.everything
    found = [entry for codebase in codebases for entry in rule(codebase)]
    return selection.drawn(found, options.sample) if options.sample else found


def follow(sweep: Sweep, todo: Likeness, lines: Path, report: Report) -> None:
    """Sweep, with a line for every result and a bar below them; the results go into a file as they come."""
    text = "{task.fields[good]} matched, {task.fields[bad]} not"
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(text), TimeElapsedColumn())
    with Progress(*columns, console=report.console, transient=True, disable=not report.live) as bar:
        task, count = bar.add_task("", total=todo.total, good=0, bad=0), {True: 0, False: 0}
        for record in todo.with_alike(sweep.run(todo.different)):
            append(lines, record)
            count[record["ok"]] += 1
            report.text(line(record))
            bar.update(task, advance=1, good=count[True], bad=count[False])


def line(record: Record) -> str:
    """One result in one line."""
    counted = f"{record['matched']}/{record['total']}" if "total" in record else "-"
    head = f"{record['reached']:<10} {counted:>9} {record['seconds']:>6.0f} s  {record['config']}"
    return f"{head}: {record['cause']}" if record["cause"] else head


def versions() -> Dict[str, str]:
    """What is installed, by package."""
    found = {"Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="zoo", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("patterns", nargs="*", metavar="PATTERN", help="configs, such as 'mmdet::solo/*', 'solo/*', or a file")
    add("--codebase", choices=list(selection.CODEBASES), help="whose configs; default: all")
    add("--families", action="store_true", help="one config of each family")
    add("--all", action="store_true", help="every config")
    add("--sample", type=_number, metavar="N", help="with --all or --quick: no more than N, always the same ones")
    add("--quick", action="store_true", help=f"{len(selection.QUICK)} fixed configs over all kinds of heads")
    add("--target", metavar="NAME", type=_engine, help="run the files in this runtime, against ONNX Runtime")
    add("--jobs", type=_number, default=1, metavar="N", help="configs at a time; default: 1")
    add("--resume", action="store_true", help="go on: leave out what OUT has a result of")
    add("--retry", action="store_true", help="with --resume: do again what did not match")
    add("--out", type=Path, default=Path("work_dirs/zoo"), metavar="DIR", help="default: work_dirs/zoo")
    add("--coverage", type=Path, metavar="FILE", help="the table; default: OUT/coverage.md")
    add("--keep", action="store_true", help="with --coverage: rows of an earlier sweep stay where there are no results")
    add("--seconds", type=_number, default=240, metavar="N", help="time limit of a config; default: 240")
    add("--memory", type=_number, default=12, metavar="GIB", help="memory limit of a config; default: 12")
    return parser


def _engine(name: str) -> str:
    names = [name for name, target in TARGETS.items() if target.engine in ENGINES]
    if name not in names:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(names)}")
    return name


def _number(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
