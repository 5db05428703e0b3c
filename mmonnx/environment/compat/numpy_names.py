"""Names that numpy had until 1.24, which upstream's post-processing still uses."""

import threading
from contextlib import contextmanager
from typing import Any, Dict, Iterator, Set

import numpy as np

_NAMES: Dict[str, Any] = {"bool": bool, "int": int, "float": float, "object": object, "int0": np.intp}
_LOCK = threading.Lock()
_users = [0]
_given: Set[str] = set()


@contextmanager
def old_numpy_names() -> Iterator[None]:
    """Let numpy have its old names for Python's types inside the block, where it has them no longer.

    What uses them would raise an error otherwise. They go with the last thread that is inside.
    """
    with _LOCK:
        _users[0] += 1
        for name in _NAMES:
            if name not in vars(np):
                setattr(np, name, _NAMES[name])
                _given.add(name)
    try:
        yield
    finally:
        with _LOCK:
            _users[0] -= 1
            if not _users[0]:
                for name in _given:
                    delattr(np, name)
                _given.clear()
