"""Running one command inside this process, and saying what is wrong with how it ended."""

import contextlib
import json
import os
import re
import runpy
import sys
import tempfile
import traceback
from pathlib import Path
from typing import BinaryIO, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np
import onnxruntime

from mmonnx import cli
from mmonnx.support.text import printable

REFUSAL = re.compile(r"mmonnx: error: [^\n]+; expected [^\n]+; [^\n]+")
_TOOL = Path(__file__).resolve().parents[1] / "pytorch2onnx.py"
Tree = Dict[str, Tuple[int, int]]


class Outcome(NamedTuple):
    """How an input ended.

    Attributes:
        status: the exit status; -1 where there is none.
        problem: what is wrong with it, None if nothing is.
        line: the refusal, or the last line of what went wrong.
    """

    status: int
    problem: Optional[str]
    line: str


def run(argv: List[str], folder: Path, expected: Optional[np.ndarray] = None) -> Outcome:
    """Run a command line in a folder, and judge it.

    It has to end with a status of 0 or 1, or with 2, one line on stderr and nothing else written. Temporary files go to
    a folder of their own beside ``folder``, which has to be empty afterwards.

    Args:
        argv: the arguments, or those of ``tools/pytorch2onnx.py`` behind its name.
        folder: the current folder of the command.
        expected: what an exported file has to give for ones; None if that is not known.
    """
    temporary = folder.parent / "tmp"
    temporary.mkdir()
    before = _tree(folder)
    with _inside(folder, temporary), _captured(folder.parent) as told:
        try:
            status, trace = _main(argv), ""
        except BaseException:  # SystemExit and KeyboardInterrupt too: nothing may come out
            status, trace = -1, traceback.format_exc()
    problem = _problem(status, trace, told, before, _tree(folder))
    if problem is None and any(temporary.iterdir()):
        problem = f"left {sorted(os.listdir(str(temporary)))[0]} in the folder for temporary files"
    if problem is None and status == 0:
        problem = _wrong(argv, folder, expected)
    lines = (trace or told["err"]).strip().splitlines() or [""]
    return Outcome(status, problem, " | ".join([*lines[:2], *lines[2:][-1:]])[:600])


def _main(argv: List[str]) -> int:
    if argv[0] != _TOOL.name:
        return cli.main(argv)
    former = sys.argv
    sys.argv = argv
    try:
        runpy.run_path(str(_TOOL), run_name="__main__")
    except SystemExit as left:
        return int(left.code or 0)
    finally:
        sys.argv = former
    return -1


@contextlib.contextmanager
def _inside(folder: Path, temporary: Path) -> Iterator[None]:
    here, known = os.getcwd(), tempfile.tempdir
    os.chdir(str(folder))
    tempfile.tempdir = str(temporary)
    try:
        yield
    finally:
        tempfile.tempdir = known
        os.chdir(here)


@contextlib.contextmanager
def _captured(folder: Path) -> Iterator[Dict[str, str]]:
    """Catch what is written to the file descriptors 1 and 2, by C++ too; it is there when the block ends."""
    told: Dict[str, str] = {}
    streams = sys.stdout, sys.stderr
    with contextlib.ExitStack() as stack:
        for number, name in ((1, "out"), (2, "err")):
            file = stack.enter_context(open(str(folder / name), "w+b"))
            stack.callback(lambda file=file, name=name: told.update({name: _content(file)}))
            saved = os.dup(number)
            stack.callback(os.close, saved)
            stack.callback(os.dup2, saved, number)
            os.dup2(file.fileno(), number)
            stream = open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115, closed by the stack
            stack.enter_context(stream)
            setattr(sys, f"std{name}", stream)
        try:
            yield told
        finally:
            sys.stdout, sys.stderr = streams


def _content(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _tree(folder: Path) -> Tree:
    """Everything in a folder: size and time of change."""
    found = {}
    for top, folders, names in os.walk(str(folder)):
        for name in (*folders, *names):
            entry = os.lstat(os.path.join(top, name))
            found[os.path.join(top, name)] = (entry.st_size, entry.st_mtime_ns) if name in names else (0, 0)
    return found


def _problem(status: int, trace: str, told: Dict[str, str], before: Tree, after: Tree) -> Optional[str]:
    if trace:
        return "an exception came out"
    if "Traceback (most recent call last)" in told["out"] + told["err"]:
        return "a traceback"
    if "internal error" in told["err"]:
        return "an error that nobody thought of"
    if status not in (0, 1, 2):
        return f"exit status {status}"
    if status != 2:
        return None
    lines = told["err"].rstrip("\n").split("\n")
    if len(lines) != 1:
        return f"{len(lines)} lines on stderr"
    if not REFUSAL.fullmatch(lines[0]):
        return "a refusal of another form"
    if printable(lines[0]) != lines[0]:
        return "control characters in the refusal"
    if before != after:
        changed = sorted(set(before) ^ set(after)) or [path for path in before if before[path] != after.get(path)]
        return f"it was refused, and {os.path.basename(changed[0])} was written"
    return None


def _wrong(argv: List[str], folder: Path, expected: Optional[np.ndarray]) -> Optional[str]:
    """What is wrong with the result of a command that ended well."""
    if argv[0] == "predict":
        for path in folder.rglob("found.json"):
            try:
                json.loads(path.read_text())
            except ValueError as error:
                return f"answers that are no JSON: {error}"
    if argv[0] == "export":
        path = folder / argv[argv.index("--output-file") + 1]
        try:
            return _differs(path, expected)
        except Exception as error:
            return f"a file that cannot be run: {error}"
    return None


def _differs(path: Path, expected: Optional[np.ndarray]) -> Optional[str]:
    """What is wrong with an exported file."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    if expected is None:
        return None
    (feed,) = session.get_inputs()
    found = session.run(None, {feed.name: np.ones(feed.shape, np.float32)})[0]
    return None if np.allclose(found, expected, atol=1e-4) else "another answer than that of the sound weights"
