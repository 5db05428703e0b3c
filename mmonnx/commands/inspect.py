"""``mmonnx inspect``."""

import argparse


def add_inspect(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add = parser.add_argument
    add("file", help="ONNX file")
    add("--shape", nargs=2, type=int, metavar=("HEIGHT", "WIDTH"), help="count the operations for images of this size")
    add("--json", action="store_true", help="print everything as JSON")
    add("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(run=_inspect)


def _inspect(options: argparse.Namespace) -> int:
    import json

    from ..errors import InputError, printable
    from ..inspecting import inspect, rows

    if options.shape and min(options.shape) < 1:
        raise InputError(f"--shape {options.shape} is no image size", "a height and a width", "give greater numbers")
    found = inspect(options.file, tuple(options.shape) if options.shape else None)
    if options.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for name, value in rows(found):
            table.add_row(Text(name, style="bold"), Text(printable(value)))
        Console(width=None).print(table)
    return 0
