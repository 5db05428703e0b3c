"""Which of the weights in a checkpoint's file are those of a model.

A training may keep several: averaged ones beside its own, a teacher's beside a student's, in entries of the file or
under prefixes of the keys; and whatever wraps a model puts its name into them.
"""

from collections import Counter
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

import torch

from ..support import InputError

_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""What torch calls a module inside of what it wraps it in: anywhere in a key, and of no meaning."""
_ENTRIES = ("state_dict", "model", "")
"""Where upstream looks for weights, in this order."""
_DEPTH = 2
_AVERAGED = ("ema", "teacher")
"""Of two sets under prefixes that fit alike, the one that is called so: the other is what it was averaged from."""

State = Dict[str, torch.Tensor]


class WeightSet(NamedTuple):
    """One set of weights.

    Attributes:
        entry: where it is in the file, with dots; empty for the top.
        prefix: what the model's keys begin with there, without the dot.
        state: its weights by the model's own keys.
        unknown: its other keys, without the prefix.
        fits: how many keys have the model's own shape.
    """

    entry: str
    prefix: str
    state: State
    unknown: List[str]
    fits: int

    @property
    def name(self) -> str:
        """What the user calls it."""
        return ".".join(filter(None, (self.entry, self.prefix)))


def find_sets(content: Any, own: Mapping[str, torch.Tensor]) -> List[WeightSet]:
    """The sets of weights in a file that have keys of a model, the likeliest first.

    Args:
        content: what is in the file.
        own: the model's own weights.
    """
    plain = _unwrapped(own)
    found = [
        _set(entry, prefix, state, plain, own)
        for entry, state in _states(content, "", _DEPTH)
        for prefix in _prefixes(state, plain)
    ]
    order = {one: number for number, one in enumerate(_ENTRIES)}
    return sorted(
        found,
        key=lambda one: (
            -len(one.state),
            order.get(one.entry, len(order)),
            bool(one.prefix),
            -one.fits,
            not any(word in one.prefix for word in _AVERAGED),
        ),
    )


def choose(sets: List[WeightSet], key: Optional[str], path: str) -> Tuple[WeightSet, Optional[str]]:
    """The set that the user asks for, or the likeliest; and what to say of the others, None if there are none alike.

    Args:
        sets: those of :func:`find_sets`, one at least.
        key: its name, or the end of it; None for the likeliest.
        path: of the file, for messages.

    Raises:
        InputError: none is called so.
    """
    if key is not None:
        named = [one for one in sets if f".{one.name}".endswith("." + key.strip("."))]
        if not named:
            names = ", ".join(one.name or "no key at all" for one in sets[:8])
            raise InputError(
                f"checkpoint {path!r} has no weights of this model under {key!r}", names, "fix --checkpoint-key"
            )
        return named[0], None
    first = sets[0]
    others = [
        one
        for one in sets[1:]
        if (len(one.state), one.fits) == (len(first.state), first.fits)
        and one.name
        and (first.prefix or one.entry != first.entry)
    ]
    if not others:
        return first, None
    rest = " or ".join(f"--checkpoint-key {one.name}" for one in others[:3])
    name = first.name or "its top level"
    return first, f"the checkpoint has several sets of weights: these are of {name!r}; for others, {rest}"


def has_weights(content: Any) -> bool:
    """Whether there is any set of weights in a file, of whatever model."""
    return any(True for _ in _states(content, "", _DEPTH))


def some_key(content: Any) -> str:
    """A key of the weights in a file."""
    states = dict(_states(content, "", _DEPTH))
    return next(iter(next((states[entry] for entry in _ENTRIES if entry in states), next(iter(states.values())))))


def _states(value: Any, entry: str, depth: int) -> Iterator[Tuple[str, State]]:
    """The mappings with tensors among their values, by where they are."""
    if not isinstance(value, Mapping):
        return
    state = {str(key): item for key, item in value.items() if isinstance(item, torch.Tensor)}
    if state:
        yield entry, state
    for key, item in value.items() if depth else ():
        yield from _states(item, f"{entry}.{key}" if entry else str(key), depth - 1)


def _unwrapped(keys: Any) -> Dict[str, str]:
    """Keys by what they are without the names of wrappers; as they are where two would be the same."""
    plain = {".".join(part for part in key.split(".") if part not in _WRAPPERS): key for key in keys}
    return plain if len(plain) == len(keys) else {key: key for key in keys}


def _prefixes(state: State, plain: Mapping[str, str]) -> List[str]:
    """What the keys of a state begin with that are the model's otherwise; none of a small part of the model's keys."""
    counts: Counter = Counter()
    for key in _unwrapped(state):
        parts = key.split(".")
        for place in range(len(parts)):
            if ".".join(parts[place:]) in plain:
                counts[".".join(parts[:place])] += 1
    return [prefix for prefix, count in counts.items() if not prefix or 2 * count >= len(plain)]


def _set(entry: str, prefix: str, state: State, plain: Mapping[str, str], own: Mapping[str, torch.Tensor]) -> WeightSet:
    start = f"{prefix}." if prefix else ""
    inside = {key[len(start) :]: full for key, full in _unwrapped(state).items() if key.startswith(start)}
    found = {plain[key]: state[full] for key, full in inside.items() if key in plain}
    unknown = [key for key in inside if key not in plain]
    return WeightSet(entry, prefix, found, unknown, sum(value.shape == own[key].shape for key, value in found.items()))
