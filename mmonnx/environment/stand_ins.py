"""Functions of other packages that something stands in for, in the threads that ask for it and in no others."""

import functools
import threading
import types
import weakref
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Sequence, Tuple

from . import compat
from .holders import Slot

Place = Tuple[Any, str]
"""An owner (module or class) and the name of an attribute."""


class StandIn(NamedTuple):
    """What stands in for one function.

    Attributes:
        owners: modules or classes that hold the function, the one that it is looked up in first.
        name: its name in each of them.
        function: called as ``function(original, *args, **kwargs)``.
        slots: other places that hold the function, under whatever name.
    """

    owners: Sequence[Any]
    name: str
    function: Callable[..., Any]
    slots: Sequence[Slot] = ()


@dataclass
class _Held:
    """A slot with a dispatcher in it, and how many blocks of all threads need it there.

    Attributes:
        before: what was in it; ``MISSING`` where its owner inherits the function.
        now: what is in it.
    """

    before: Any
    now: Any
    blocks: int = 0


class _Here(threading.local):
    """The stand-ins of this thread by place, the innermost block's last."""

    def __init__(self) -> None:
        self.functions: Dict[Place, List[Callable[..., Any]]] = {}


_lock = threading.RLock()
_here = _Here()
_held: Dict[Slot, _Held] = {}
# A module that is imported while a dispatcher is in place may take it along: then it is used again.
_dispatchers: "weakref.WeakValueDictionary[Place, Callable[..., Any]]" = weakref.WeakValueDictionary()
_ours: "weakref.WeakSet[Callable[..., Any]]" = weakref.WeakSet()


@contextmanager
def standing_in(stand_ins: Iterable[StandIn]) -> Iterator[None]:
    """Have these functions called in the place of the originals, by this thread and inside the block.

    Each slot holds a dispatcher while a block of any thread needs it: the first one puts it in, and the last one
    puts back what was there. Threads without a stand-in of their own get the original through it.
    """
    with ExitStack() as undo:
        for owners, name, function, slots in stand_ins:
            with _lock:
                dispatcher = _dispatcher(owners[0], name)
                for slot in (*(Slot(owner, name) for owner in owners), *slots):
                    _hold(slot, dispatcher)
                    undo.callback(_release, slot)
            functions = _here.functions.setdefault((owners[0], name), [])
            functions.append(function)
            undo.callback(functions.pop)
        yield


def plain(function: Any) -> Any:
    """The original, of a dispatcher; anything else as it is."""
    is_ours = isinstance(function, types.FunctionType) and function in _ours
    return function.__wrapped__ if is_ours else function


def dispatchers() -> List[Callable[..., Any]]:
    """Those that may be held anywhere by now."""
    return list(_ours)


def _dispatcher(owner: Any, name: str) -> Callable[..., Any]:
    place, original = (owner, name), plain(getattr(owner, name))
    known = _dispatchers.get(place)
    if known is not None and plain(known) is original:
        return known
    inherited = isinstance(owner, type) and name not in vars(owner)

    @functools.wraps(original)
    def dispatch(*args: Any, **kwargs: Any) -> Any:
        # what the owner inherits may have a stand-in itself by now, of this thread or of another
        here = getattr(super(owner, owner), name) if inherited else original
        functions = _here.functions.get(place)
        return functions[-1](here, *args, **kwargs) if functions else here(*args, **kwargs)

    compat.know_constructors()
    # what is scripted while it is traced is compiled with torch's own function, of which there is no source
    table = compat.script_builtins()
    if id(original) in table:
        table[id(dispatch)] = table[id(original)]
        weakref.finalize(dispatch, table.pop, id(dispatch), None)
    _dispatchers[place] = dispatch
    _ours.add(dispatch)
    return dispatch


def _hold(slot: Slot, dispatcher: Callable[..., Any]) -> None:
    held = _held.get(slot)
    if held is None:
        # a method may be inherited: then the owner has no entry of its own, and none must stay
        held = _held[slot] = _Held(slot.read(), slot.wrapped(dispatcher))
        slot.write(held.now)
    held.blocks += 1


def _release(slot: Slot) -> None:
    with _lock:
        held = _held[slot]
        held.blocks -= 1
        if held.blocks:
            return
        del _held[slot]
        if slot.read() is held.now:  # else somebody has replaced it since, and goes on
            slot.write(held.before)
