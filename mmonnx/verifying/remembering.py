"""A model whose early parts are not run again on the inputs that they have seen."""

import threading
from contextlib import ExitStack, contextmanager
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import torch
from torch import nn

from ..tracing import Probe

_PLAIN = (bool, int, float, str)
"""Arguments that are the same where they are equal; of all others only the very same are."""
_MOST = 16
"""The runs of one part that are kept: a head is run on each level of a pyramid."""


class Memory:
    """What the parts of a model gave, for runs that differ behind its ends.

    Args:
        module: what is traced.
        probes: its ends.
    """

    def __init__(self, module: nn.Module, probes: Sequence[Probe]) -> None:
        paths = [probe.module.split(".") for probe in probes]
        held = {".".join(path[:end]) for path in paths for end in range(len(path))} | {""}
        self._parts = [
            part for name, part in module.named_modules() if name not in held and name.rpartition(".")[0] in held
        ]
        self._thread = 0
        self._known: Dict[nn.Module, List[Tuple[List[Any], Any]]] = {part: [] for part in self._parts}

    @contextmanager
    def used(self) -> Iterator[None]:
        """Inside the block a part that gets what it got before gives this thread what it gave."""
        self._thread = threading.get_ident()
        with ExitStack() as stack:
            for part in self._parts:
                if "forward" not in vars(part):
                    stack.callback(delattr, part, "forward")
                    part.forward = self._remembering(part, part.forward)
            yield

    def _remembering(self, part: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        def remembered(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != self._thread:
                return forward(*args, **kwargs)
            given, known = _leaves((args, kwargs)), self._known[part]
            found = next((output for inputs, output in known if _equal(inputs, given)), None)
            if found is None:
                inputs = _copied(given)  # the part may write into its own
                found = forward(*args, **kwargs)
                known.append((inputs, found))
                del known[:-_MOST]
            return _copied(found)  # who comes next may write into it

        return remembered


def _leaves(value: Any) -> List[Any]:
    """Everything that a nest of arguments holds, with the names of keywords."""
    if isinstance(value, dict):
        value = list(value.items())
    return [one for item in value for one in _leaves(item)] if isinstance(value, (list, tuple)) else [value]


def _equal(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return len(one) == len(other) and all(map(_is_same, one, other))


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.shape == other.shape and torch.equal(one, other)
    if isinstance(one, _PLAIN) and isinstance(other, _PLAIN):
        return one == other
    return one is other


def _copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return type(value)(_copied(item) for item in value) if type(value) in (list, tuple) else value
