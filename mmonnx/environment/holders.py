"""Whoever holds a function: other modules that import it by name, classes, tables, partials and default arguments."""

import functools
import sys
import types
from contextlib import suppress
from typing import Any, Callable, Container, Dict, Hashable, Iterable, List, NamedTuple, Tuple, Type

from torch import nn

MISSING = object()
"""What an owner has of its own that inherits an attribute."""
_OTHERS = {"torch", "mmonnx", "numpy", "scipy", "sympy", "sklearn", "cv2", "matplotlib", "mpmath"}
"""Packages that are not looked at: torch holds its functions for itself, and large ones know of none of them."""
_LARGEST = 1000
"""A table with more entries holds data."""


class Slot:
    """A place that holds a function: here an attribute of a module, a class or an object.

    Args:
        holder: whoever holds it.
        name: under which name, key or number.
    """

    def __init__(self, holder: Any, name: Hashable) -> None:
        self.holder = holder
        self.name: Any = name

    def __eq__(self, other: Any) -> bool:
        return type(self) is type(other) and self.holder is other.holder and self.name == other.name

    def __hash__(self) -> int:
        return hash((type(self), id(self.holder), self.name))

    def read(self) -> Any:
        """What is there, ``MISSING`` for nothing."""
        return vars(self.holder).get(self.name, MISSING)

    def write(self, value: Any) -> None:
        """Put a value there that ``read`` or ``wrapped`` gave."""
        if value is MISSING:
            delattr(self.holder, self.name)
        elif isinstance(self.holder, nn.Module):  # its own __setattr__ looks for parameters
            vars(self.holder)[self.name] = value
        else:
            setattr(self.holder, self.name, value)

    def wrapped(self, function: Callable[..., Any]) -> Any:
        """A function as it is held here."""
        return function


class _Static(Slot):
    """A static method of a class."""

    def wrapped(self, function: Callable[..., Any]) -> Any:
        return staticmethod(function)


class _Item(Slot):
    """An entry of a dict or list."""

    def read(self) -> Any:
        with suppress(LookupError):
            return self.holder[self.name]
        return MISSING

    def write(self, value: Any) -> None:
        self.holder[self.name] = value


class _Default(Slot):
    """A default argument of a function, by number; those of keywords are in a dict."""

    def read(self) -> Any:
        return self.holder.__defaults__[self.name]

    def write(self, value: Any) -> None:
        before = self.holder.__defaults__
        self.holder.__defaults__ = (*before[: self.name], value, *before[self.name + 1 :])


class _Bound(Slot):
    """The function of a partial, with the number -1, or an argument of it."""

    def read(self) -> Any:
        return self.holder.func if self.name == -1 else self.holder.args[self.name]

    def write(self, value: Any) -> None:
        partial = self.holder
        parts = [partial.func, *partial.args]
        parts[self.name + 1] = value
        partial.__setstate__((parts[0], tuple(parts[1:]), partial.keywords, vars(partial)))


class Held(NamedTuple):
    """A slot, and what is in it."""

    slot: Slot
    value: Any


def holding(wanted: Container[int], roots: Iterable[Any] = ()) -> List[Held]:
    """Where functions are held: in modules that are imported, in their classes, and in some objects.

    Tables, partials and default arguments in these are looked into, once. What functions keep in closures, and what
    instances hold that nobody names, is not found.

    Args:
        wanted: the functions, by ``id``.
        roots: objects whose attributes are looked at as well, the modules of a model, say.
    """
    found: List[Held] = []
    for module in list(sys.modules.values()):
        if isinstance(module, types.ModuleType) and module.__name__.partition(".")[0] not in _OTHERS:
            for name, value in list(vars(module).items()):
                if id(value) in wanted:
                    found.append(Held(Slot(module, name), value))
                elif isinstance(value, type):
                    if value.__module__ == module.__name__:
                        _look_at(value, wanted, found)
                elif type(value) in _PARTS:
                    _look_into(value, wanted, found)
    for root in roots:
        _look_at(root, wanted, found)
    return found


def _look_at(owner: Any, wanted: Container[int], found: List[Held]) -> None:
    for name, value in list(vars(owner).items()):
        slot = Slot
        if type(value) is staticmethod:
            slot, value = _Static, value.__func__
        if id(value) in wanted:
            found.append(Held(slot(owner, name), value))
        elif type(value) in _PARTS:
            _look_into(value, wanted, found)


def _look_into(value: Any, wanted: Container[int], found: List[Held]) -> None:
    for kind, holder, name, held in _PARTS[type(value)](value):
        if id(held) in wanted:
            found.append(Held(kind(holder, name), held))
        elif type(held) is functools.partial:
            _look_into(held, wanted, found)


_Parts = List[Tuple[Type[Slot], Any, Any, Any]]
"""Slots, not yet made, and what is in each: its kind, its holder, its name, the value."""


def _of_function(function: Any) -> _Parts:
    found: _Parts = [(_Default, function, number, held) for number, held in enumerate(function.__defaults__ or ())]
    return found + _of_table(function.__kwdefaults__) if function.__kwdefaults__ else found


def _of_partial(partial: Any) -> _Parts:
    found: _Parts = [(_Bound, partial, number, held) for number, held in enumerate((partial.func, *partial.args), -1)]
    return found + _of_table(partial.keywords) if partial.keywords else found


def _of_table(table: Any) -> _Parts:
    if len(table) > _LARGEST:
        return []
    pairs = list(table.items()) if isinstance(table, dict) else enumerate(table)
    return [(_Item, table, name, held) for name, held in pairs]


_PARTS: Dict[type, Callable[[Any], _Parts]] = {
    types.FunctionType: _of_function,
    functools.partial: _of_partial,
    dict: _of_table,
    list: _of_table,
}
"""What holds values in parts of its own, by its type."""
