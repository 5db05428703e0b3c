"""What a model keeps from one call for the next: a file keeps nothing, and answers as a first call does."""

import ast
import inspect
import textwrap
from collections import deque
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional, Tuple

import torch
from torch import nn

from ..environment import compat, python_parts
from ..rewriting import Place, place_of
from ..support import syntax_trees

_CONTAINERS = (dict, list, set, deque)
_CHANGING = {"add", "append", "clear", "extend", "insert", "pop", "setdefault", "update"}
"""Methods of containers; those of tensors end with an underscore."""

Clone = Tuple[torch.Tensor, Optional[int], torch.Tensor]
"""A buffer, how often it had been written into, and a copy of it."""
Clones = Dict[int, Clone]


class State:
    """The attributes of a module and of those inside of it, as they are when this is made.

    Args:
        module: the module.
        clones: copies of buffers from an earlier time, by identity: those that are still the same are not made again.
    """

    def __init__(self, module: nn.Module, clones: Optional[Clones] = None) -> None:
        parts = [part for _, part in python_parts(module)]
        self._attributes = [(part, dict(vars(part))) for part in parts]
        self._contents = [
            (part, name, value, _content(value))
            for part, attributes in self._attributes
            for name, value in attributes.items()
            if isinstance(value, _CONTAINERS)
        ]
        clones = {} if clones is None else clones
        self._buffers = [
            (part, name, _clone(buffer, clones))
            for part in parts
            for name, buffer in part._buffers.items()
            if buffer is not None
        ]

    def changed(self) -> List[Tuple[nn.Module, str]]:
        """The attributes that are no longer what they were, with the modules that have them."""
        found = []
        for part, before in self._attributes:
            now = vars(part)
            names = [name for name in {**before, **now} if name not in before or now.get(name) is not before[name]]
            found += [(part, name) for name in names]
        found += [(part, name) for part, name, value, before in self._contents if not _same(_content(value), before)]
        for part, name, clone in self._buffers:
            if part._buffers.get(name) is not clone[0] or _is_written(*clone):
                found.append((part, name))
        return found

    def restore(self) -> None:
        """Make everything what it was; a buffer that was written into is replaced by a copy of what it was."""
        for part, before in self._attributes:
            now = vars(part)  # other threads may be reading what did not change
            for name in [name for name in now if name not in before]:
                del now[name]
            now.update({name: value for name, value in before.items() if now.get(name) is not value})
        for _, _, value, before in self._contents:
            if not _same(_content(value), before):
                value.clear()
                value.update(before) if isinstance(value, (dict, set)) else value.extend(before)
        for part, name, clone in self._buffers:
            part._buffers[name] = clone[2] if _is_written(*clone) else clone[0]


@contextmanager
def as_it_was(module: nn.Module, clones: Optional[Clones] = None) -> Iterator[None]:
    """Undo at the end of the block what a call of a module changes in it; the arguments are those of ``State``."""
    state = State(module, clones)
    try:
        yield
    finally:
        if state.changed():
            state.restore()


def written_at(part: nn.Module, name: str) -> Optional[Place]:
    """The line of a module's class that changes an attribute, outside of its ``__init__``; None if none is found."""
    try:
        with syntax_trees():  # a class is found in its file by one
            lines, start = inspect.getsourcelines(type(part))
            file = inspect.getsourcefile(type(part)) or ""
            tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return None
    methods = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name != "__init__"]
    for node in (node for method in methods for node in ast.walk(method)):
        if isinstance(node, (ast.expr, ast.stmt)) and _changes(node, name):
            return place_of(file, start + node.lineno - 1)
    return None


def _changes(node: ast.AST, name: str) -> bool:
    """Whether a part of a statement changes ``self.<name>``, or what is in it."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        method = node.func.attr
        return (method in _CHANGING or method.endswith("_")) and _is_own(_chained(node.func.value), name)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr":
        return any(isinstance(value, ast.Constant) and value.value == name for value in node.args)
    if isinstance(node, ast.AugAssign):
        return _is_own(node.target, name)
    if isinstance(node, ast.Assign):
        return any(_is_own(part, name) for target in node.targets for part in ast.walk(target))
    return False


def _chained(node: ast.AST) -> ast.AST:
    """What the first of some chained calls is of, as in ``self.mean.mul_(0.9).add_(x)``."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        node = node.func.value
    return node


def _is_own(node: ast.AST, name: str) -> bool:
    while isinstance(node, ast.Subscript):
        node = node.value
    return isinstance(node, ast.Attribute) and node.attr == name


def _content(value: Any) -> Any:
    """What is in a container, as it is now."""
    return next(kind(value) for kind in (dict, set, list) if isinstance(value, kind) or kind is list)


def _same(one: Any, other: Any) -> bool:
    """Whether two containers hold the same objects."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(value is other[key] for key, value in one.items())
    if isinstance(one, set):
        return one == other
    return len(one) == len(other) and all(left is right for left, right in zip(one, other))


def _clone(buffer: torch.Tensor, clones: Clones) -> Clone:
    known = clones.get(id(buffer))
    if known is None or known[0] is not buffer or _is_written(*known):
        known = clones[id(buffer)] = (buffer, compat.version_of(buffer), buffer.detach().clone())
    return known


def _is_written(buffer: torch.Tensor, version: Optional[int], clone: torch.Tensor) -> bool:
    """Whether a buffer was written into since it was copied."""
    return compat.version_of(buffer) != version if version is not None else not torch.equal(buffer, clone)
