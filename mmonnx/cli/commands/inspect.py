"""``mmonnx inspect``."""

import argparse
import json
import os
import sys
from typing import Any, Dict, Optional, Tuple

_FOR_PAGE = ("image", "show_dir", "benchmark")


def add_inspect(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add = parser.add_argument
    add("file", help="ONNX file")
    add("--shape", nargs=2, type=int, metavar=("HEIGHT", "WIDTH"), help="count operations for images of this size")
    add("--json", action="store_true", help="print as JSON")
    add("--html", metavar="PAGE", help="write one HTML page, with charts, and timings at the given shape")
    add("--image", nargs="+", metavar="IMAGE", help="with --html: show the file's answers on these images")
    add("--show-dir", metavar="DIR", help="with --html: include the pictures of mmonnx export --verify --show-dir DIR")
    add(
        "--benchmark",
        metavar="JSON",
        help="with --html: show this benchmark.json of tools/benchmark.py instead of timing the file",
    )
    add("--debug", action="store_true", help="show tracebacks of errors")
    parser.set_defaults(run=_inspect)


def _inspect(options: argparse.Namespace) -> int:
    from ...graph import inspect
    from ...support import InputError, check_writable

    if options.shape and min(options.shape) < 1:
        raise InputError(f"--shape {options.shape} is not an image size", "a height and a width", "give larger numbers")
    if not options.html and any(getattr(options, name) for name in _FOR_PAGE):
        name = next(name for name in _FOR_PAGE if getattr(options, name)).replace("_", "-")
        raise InputError(f"--{name} is for the page", "--html PAGE beside it", "give it, or leave it out")
    if options.html:
        check_writable(options.html)
    shape = (options.shape[0], options.shape[1]) if options.shape else None
    found = inspect(options.file, shape)
    if options.html:
        _write_page(options, found)
    if options.json:
        _print_json(found)
    elif options.html:
        print(f"{options.html}: {os.path.getsize(options.html) / 1024:.0f} KiB")
    else:
        _print_table(found)
    return 0


def _write_page(options: argparse.Namespace, found: Dict[str, Any]) -> None:
    from ...runtime import Benchmark, drawn, measured, page, read_results, shown, write_page

    shape: Optional[Tuple[int, int]] = tuple(found["flops"]["shape"]) if found["flops"] else None
    benchmark: Optional[Benchmark] = None
    if options.benchmark:
        benchmark = read_results(options.benchmark)
    elif shape:
        benchmark = measured(options.file, shape)
    answers = drawn(options.file, options.image) if options.image else ()
    compared = shown(options.show_dir) if options.show_dir else ()
    write_page(options.html, page(found, answers, compared, benchmark))


def _print_json(found: Dict[str, Any]) -> None:
    text = json.dumps(found, indent=2, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # names that this terminal does not hold, or that are no text
        text = json.dumps(found, indent=2)
    print(text)


def _print_table(found: Dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ...graph import rows

    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for name, value in rows(found):
        table.add_row(Text(name, style="bold"), Text(value))
    Console(width=None).print(table)
