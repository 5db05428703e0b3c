"""Sees what Python takes out of tensors while a model is traced."""

import functools
import random
import threading
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Callable, Iterator, List, Optional, Tuple

import numpy as np
import torch
import torch.utils.dlpack  # torch before 1.10 does not import it itself

from ...environment import compat, untraced
from .dependence import Dependence, Dependences, union
from .places import Place, caller, is_at, only_checks, only_slices, user_place

_NUMBER = "makes a number of a tensor"
_MEMORY = "takes a tensor's memory"
_VALUES = {
    "asks whether a tensor is true": ("__bool__", "is_nonzero"),
    _NUMBER: ("item", "__float__", "__int__", "__complex__"),
    "makes a list of a tensor": ("tolist",),
    "makes an array of a tensor": ("numpy", "__array__", "__dlpack__"),
    "takes a tensor's address": ("data_ptr",),
    _MEMORY: ("storage", "untyped_storage", "_typed_storage", "__reduce_ex__"),
}
DRAWN = "draws random numbers"
_ROWS = "counts the parts of a tensor"
_STRIDES = "takes the strides of a tensor"
_NEW = "makes a new tensor of a tensor's numbers"
_COMPARED = "compares tensors in Python"
_ANSWERED = (
    "Converting a tensor to",
    "torch.tensor results are registered",
    "torch.as_tensor results are registered",
    "torch.from_numpy results are registered",
    "Iterating over a tensor",
    "Using len to get tensor shape",
    "torch.Tensor results are registered",
)
"""Warnings of torch's tracer about what is seen here itself, and judged."""


@dataclass(frozen=True)
class Taken:
    """A value that Python took out of the trace.

    Attributes:
        place: the line that did it.
        how: what it did, as a verb.
        hangs: what the value depends on.
    """

    place: Place
    how: str
    hangs: Dependence


class Watch:
    """Collects what is taken out of one trace, in its order.

    Args:
        inputs: how many of the traced graph's inputs are the model's.

    Attributes:
        taken: what was taken out.
        warnings: how many warnings the tracer has given.
        followed: how many calls are going on, one inside the other, whose numbers the tracer follows.
    """

    def __init__(self, inputs: int) -> None:
        self.taken: List[Taken] = []
        self.warnings = 0
        self.followed = 0
        self._dependences = Dependences(inputs)
        self._thread = threading.get_ident()

    @property
    def looks(self) -> bool:
        """Whether this thread traces a model, and is the one that is watched."""
        return torch._C._get_tracing_state() is not None and threading.get_ident() == self._thread

    def hangs(self, tensor: torch.Tensor) -> Dependence:
        """What a tensor of the trace depends on."""
        return self._dependences.of(tensor)

    @contextmanager
    def following(self) -> Iterator[None]:
        """For a call whose numbers the tracer follows, though torch asks for them as indices."""
        step = int(self.looks)
        self.followed += step
        try:
            yield
        finally:
            self.followed -= step

    def see(
        self,
        how: str,
        hangs: Callable[[Dependences], Dependence],
        frame: Optional[FrameType],
        followed: Callable[[Place], bool] = lambda place: False,
    ) -> None:
        """Note a value that the code of a frame takes out of the trace, if that is the user's.

        Args:
            how: what it does.
            hangs: says what the value depends on.
            frame: the innermost frame of the code.
            followed: of which places the tracer follows what Python is given, where the code is itself at the place.
        """
        place, itself = user_place(frame)
        if place is None or only_checks(place) or (is_at(frame, place) and followed(place)):
            return
        found = hangs(self._dependences)
        # torch's own code asks for sizes that it could do without, as in its assertions
        if found.data or (itself and found.sizes):
            self.taken.append(Taken(place, how, found))

    def hear(self, message: Any, category: Any, frame: Optional[FrameType]) -> None:
        """Note a warning of the tracer's."""
        self.warnings += 1
        if issubclass(category, torch.jit.TracerWarning) and not str(message).startswith(_ANSWERED):
            place, _ = user_place(frame)
            if place is not None:
                first = str(message).strip().splitlines()[0].rstrip(".")
                self.taken.append(Taken(place, f"does what torch warns of: {first}", Dependence(data=True)))


@contextmanager
def watching(inputs: int) -> Iterator[Watch]:
    """See what is taken out of the traces of this thread inside the block; everything is as before at its end.

    Args:
        inputs: how many of the traced graph's inputs are the model's.
    """
    watch = Watch(inputs)
    with ExitStack() as undo:
        _wrap(torch.Tensor, "__index__", undo, functools.partial(_index, watch))
        for owner, name in ((torch, "eye"), (torch, "narrow"), (torch.Tensor, "narrow")):
            _wrap(owner, name, undo, functools.partial(_sized, watch))
        for how, names in _VALUES.items():
            for name in names:
                _wrap(torch.Tensor, name, undo, functools.partial(_value, watch, how))
        for name in ("equal", "allclose"):
            for owner in (torch, torch.Tensor):
                _wrap(owner, name, undo, functools.partial(_comparison, watch))
        for name in ("__len__", "__iter__", "unbind", "split"):
            for owner in (torch, torch.Tensor):
                _wrap(owner, name, undo, functools.partial(_parts, watch))
        _wrap(torch.Tensor, "stride", undo, functools.partial(_strides, watch))
        _wrap(torch.utils.dlpack, "to_dlpack", undo, functools.partial(_value, watch, _MEMORY))
        for owner, name in ((torch, "tensor"), (torch, "as_tensor"), (torch.Tensor, "__deepcopy__")):
            _wrap(owner, name, undo, functools.partial(_new, watch, 0))
        _wrap(torch.Tensor, "new_tensor", undo, functools.partial(_new, watch, 1))
        for owner in (random, np.random):
            for name in owner.__all__:
                if callable(getattr(owner, name)) and not isinstance(getattr(owner, name), type):
                    _wrap(owner, name, undo, functools.partial(_draw, watch))
        undo.enter_context(_data_followed(watch))
        undo.enter_context(_heard(watch))
        yield watch


@contextmanager
def _data_followed(watch: Watch) -> Iterator[None]:
    """Have ``tensor.data`` as ``tensor.detach()`` in a trace, which does not know the former."""
    own = torch.Tensor.data

    def data(self: torch.Tensor) -> torch.Tensor:
        return self.detach() if watch.looks and watch.hangs(self).anything else own.__get__(self)

    torch.Tensor.data = property(data, own.__set__)
    try:
        yield
    finally:
        del torch.Tensor.data


@contextmanager
def _heard(watch: Watch) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", torch.jit.TracerWarning)
        warnings.showwarning = lambda message, category, *args, **kwargs: watch.hear(message, category, caller())
        yield


def _wrap(owner: Any, name: str, undo: ExitStack, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace a function until the end of a block.

    Never ``Tensor.__getitem__``: Python then takes tensors for sequences, even after it was put back, and torch makes
    no tensor of a list of tensors without axes any more.
    """
    original = getattr(owner, name, None)
    if original is None:
        return
    wrapper = functools.wraps(original)(make(original))
    own = vars(owner).get(name)
    if own is None:  # a method may be inherited: then none must stay
        undo.callback(delattr, owner, name)
    else:
        undo.callback(setattr, owner, name, own)
    table = compat.script_builtins()
    if id(original) in table:  # what is scripted while a model is traced knows torch's functions by their ids
        table[id(wrapper)] = table[id(original)]
        undo.callback(table.pop, id(wrapper))
    setattr(owner, name, wrapper)


def _value(watch: Watch, how: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def value(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        found = original(self, *args, **kwargs)
        if watch.looks and not isinstance(found, torch.Tensor):  # a stand-in gives the tensor itself
            watch.see(how, lambda known: known.of(self), caller())
        return found

    return value


def _draw(watch: Watch, original: Callable[..., Any]) -> Callable[..., Any]:
    def draw(*args: Any, **kwargs: Any) -> Any:
        if watch.looks:
            watch.see(DRAWN, lambda known: Dependence(data=True), caller())
        return original(*args, **kwargs)

    return draw


def _index(watch: Watch, original: Callable[..., Any]) -> Callable[..., Any]:
    whole = torch.Tensor.__int__

    def index(self: torch.Tensor) -> Any:
        # an old torch asks for the index of a size that its functions are given, to see whether it is a number; then
        # its tracer is told not to warn, as it would of this
        before = watch.warnings
        if watch.looks and not watch.followed and whole(self) is not None and watch.warnings > before:
            watch.see(_NUMBER, lambda known: known.of(self), caller(), followed=only_slices)
        return original(self)

    return index


def _sized(watch: Watch, original: Callable[..., Any]) -> Callable[..., Any]:
    def sized(*args: Any, **kwargs: Any) -> Any:
        with watch.following():  # an old torch asks for the size as an index, and follows it all the same
            return original(*args, **kwargs)

    return sized


def _comparison(watch: Watch, original: Callable[..., Any]) -> Callable[..., Any]:
    def comparison(*args: Any, **kwargs: Any) -> Any:
        if watch.looks:
            tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)]
            watch.see(_COMPARED, lambda known: union(map(known.of, tensors)), caller())
        return original(*args, **kwargs)

    return comparison


def _parts(watch: Watch, original: Callable[..., Any]) -> Callable[..., Any]:
    def parts(*args: Any, **kwargs: Any) -> Any:
        found = original(*args, **kwargs)
        if watch.looks:
            tensor = args[0] if args else kwargs.get("input", kwargs.get("tensor"))
            last = args[-1] if len(args) > 1 and original.__name__ != "split" or len(args) > 2 else 0
            axis = kwargs.get("dim", last)
            by = args[1] if original.__name__ == "split" and len(args) > 1 else None
            if not isinstance(by, (list, tuple)):
                watch.see(_ROWS, lambda known: _length(known, tensor, axis), caller())
        return found

    return parts


def _strides(watch: Watch, original: Callable[..., Any]) -> Callable[..., Any]:
    def stride(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        found = original(self, *args, **kwargs)
        if watch.looks:
            numbers = found if isinstance(found, tuple) else (found,)
            watch.see(_STRIDES, lambda known: _only_sizes(known.of(self), numbers), caller())
        return found

    return stride


def _new(watch: Watch, aside: int, original: Callable[..., Any]) -> Callable[..., Any]:
    def new(*args: Any, **kwargs: Any) -> Any:
        found = original(*args, **kwargs)
        # the first ones may give no more than a type
        inside = list(_tensors((args[aside:], kwargs))) if watch.looks else []
        if inside:
            watch.see(_NEW, lambda known: _lost(union(map(known.of, inside)), known.of(found)), caller())
        return found

    return new


def _length(known: Dependences, tensor: torch.Tensor, axis: int) -> Dependence:
    hangs = known.of(tensor)
    with untraced():
        sizes = tuple(tensor.shape)
    if not sizes:
        return hangs
    counted = hangs.counted and axis % len(sizes) == 0
    return Dependence(counted, (sizes[axis],)) if hangs.anything else hangs


def _only_sizes(hangs: Dependence, sizes: Tuple[int, ...]) -> Dependence:
    return Dependence(False, sizes) if hangs.anything else hangs


def _lost(given: Dependence, made: Dependence) -> Dependence:
    """What a tensor no longer depends on that was made of others."""
    if made.data == given.data and bool(made.sizes) == bool(given.sizes):
        return Dependence()
    return given


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
