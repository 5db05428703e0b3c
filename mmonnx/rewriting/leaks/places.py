"""Whose code it is that runs, and which line of it."""

import ast
import functools
import linecache
import os
import re
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Optional, Tuple

from ...support import syntax_trees
from ..upstream import PACKAGES

_QUIET = {"mmonnx", "timm", "torchvision"}
"""Packages whose own code is not told of either."""
_BETWEEN = {"numpy"}
_LIBRARY = tuple(filter(None, (sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))))
_PACKAGES = tuple(filter(None, (sysconfig.get_path(name) for name in ("purelib", "platlib"))))
_SHOWING = {"__format__", "__repr__", "__str__"}
_METHODS = "torch._tensor"
_PLAIN = "mmonnx.codebases.plain.modules"
"""The module that calls a plain model."""
_OWN = "mmonnx.rewriting.leaks."
_HERE = str(Path(__file__).resolve().parents[2]) + os.sep
_EXPORTS = "_run_symbolic_function"
"""torch's function that exports one node."""
_CALL = re.compile(r"^(.+)\((\d+)\): ", re.MULTILINE)


@dataclass(frozen=True)
class Place:
    """A statement.

    Attributes:
        file: path of the source.
        line: number of the line, from 1.
        source: that line; empty where there is no source.
    """

    file: str
    line: int
    source: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + (f" ({self.source})" if self.source else "")


def _is_answered_for(package: str) -> bool:
    """Whether nobody is told of what a package's own code takes out of the trace: the rewrites answer for it."""
    return package in PACKAGES or package in _QUIET


def place_of(file: str, line: int) -> Place:
    """The place with its source."""
    return Place(file, line, linecache.getline(file, line).strip())


def user_place(frame: Optional[FrameType]) -> Tuple[Optional[Place], bool]:
    """Which line of the user's code is at work.

    Args:
        frame: the innermost one to ask about.

    Returns:
        The place, None if upstream's or mmonnx's own code is at work, or if a tensor is only shown; and whether the
        line itself does it, and not torch's code, which it calls. Where a plain model is a module of torch's own, the
        place is torch's. Of a library that the user's code has called it is the call, as of SciPy's.
    """
    torchs: Optional[FrameType] = None
    installed: Optional[FrameType] = None
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        package = _package(frame)
        if package == "torch":
            if frame.f_code.co_name in _SHOWING:
                return None, False
            if installed is not None:  # a module of an installed package, which torch calls
                return _place(installed), torchs is None
            torchs = torchs or (frame if name != _METHODS else None)
        elif name == _PLAIN:
            return (None, False) if torchs is None else (_place(torchs), False)
        elif _is_answered_for(package) and not name.startswith(_OWN):
            return None, False
        elif _is_answered_for(package) or package in _BETWEEN or _in_library(frame.f_code.co_filename):
            pass
        elif not frame.f_code.co_filename.startswith(_PACKAGES):
            return _place(frame), torchs is None
        elif installed is None or package != _package(installed):
            installed = frame
        frame = frame.f_back
    return None, False


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def innermost_user_place(error: BaseException) -> Optional[Place]:
    """The line of the user's code in which an error was raised, or that called what raised it; None for no such."""
    traceback, found = error.__traceback__, None
    while traceback is not None:
        frame = traceback.tb_frame
        package = _package(frame)
        file = frame.f_code.co_filename
        if not (_is_answered_for(package) or package in _BETWEEN or package == "torch" or _in_library(file)):
            found = place_of(file, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def place_in_graph(error: BaseException) -> Optional[Place]:
    """The line of the user's code that made the node which torch's exporter failed on; None for no such.

    The exporter works on the whole graph when the model has run: the node alone knows where it is from.
    """
    traceback, node = error.__traceback__, None
    while traceback is not None:
        names = traceback.tb_frame.f_locals
        if traceback.tb_frame.f_code.co_name == _EXPORTS:
            node = names.get("node", names.get("n"))  # as torch called it before 1.12
        traceback = traceback.tb_next
    # the innermost call first
    for file, line in _CALL.findall(node.sourceRange() if node is not None else ""):
        if not (file.startswith(_PACKAGES) or _in_library(file) or _is_own(file)):
            return place_of(file, int(line))
    return None


def _is_own(file: str) -> bool:
    return file.startswith(_HERE)


@functools.lru_cache(maxsize=None)
def only_checks(place: Place) -> bool:
    """Whether the statement at a place does no more than refuse something, which changes no answer."""
    statement = _statement(place.file, place.line)
    if isinstance(statement, ast.If):
        inside = statement.test.lineno <= place.line <= (statement.test.end_lineno or place.line)
        return inside and not statement.orelse and isinstance(statement.body[-1], ast.Raise)
    return isinstance(statement, ast.Assert)


@functools.lru_cache(maxsize=None)
def only_slices(place: Place) -> bool:
    """Whether the statement at a place takes slices, whose ends the tracer follows though Python asks for the numbers.

    Of a statement that does more, a number that is taken out of the trace elsewhere in it is not told of.
    """
    statement = _statement(place.file, place.line)
    on_line = (
        node
        for node in (ast.walk(statement) if statement is not None else ())
        if isinstance(node, (ast.Subscript, ast.Call)) and node.lineno <= place.line <= (node.end_lineno or node.lineno)
    )
    return any(_makes_slices(node) for node in on_line)


def _makes_slices(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "slice"
    slices = (part for part in ast.walk(node) if isinstance(part, ast.Slice))
    return any(not _is_literal(end) for part in slices for end in (part.lower, part.upper, part.step))


def _is_literal(end: Optional[ast.expr]) -> bool:
    """Whether the end of a slice is left out, or a number as it is written."""
    return end is None or isinstance(end.operand if isinstance(end, ast.UnaryOp) else end, ast.Constant)


def is_at(frame: Optional[FrameType], place: Place) -> bool:
    """Whether it is a frame's own line that a place is, and not what that calls."""
    return frame is not None and (frame.f_code.co_filename, frame.f_lineno) == (place.file, place.line)


def _place(frame: FrameType) -> Place:
    return place_of(frame.f_code.co_filename, frame.f_lineno)


def _in_library(file: str) -> bool:
    """Whether a file is of Python itself, such as one of its generated ones."""
    return file.startswith(_LIBRARY) and not file.startswith(_PACKAGES) or file.startswith("<frozen")


def _statement(file: str, line: int) -> Optional[ast.stmt]:
    """The innermost statement that a line is in."""
    tree = _tree(file)
    found: Optional[ast.stmt] = None
    for node in ast.walk(tree) if tree else ():  # outer ones come first
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno):
            found = node
    return found


@functools.lru_cache(maxsize=None)
def _tree(file: str) -> Optional[ast.Module]:
    try:
        with syntax_trees():
            return ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError, RecursionError):
        return None


def caller(depth: int = 1) -> Optional[FrameType]:
    """The frame that many calls above the function that asks."""
    return sys._getframe(depth + 1)
