"""Names that libraries have dropped, and that upstream's code of their time uses."""

from contextlib import contextmanager
from typing import Iterator

import numpy as np

_NAMES = {"bool": bool, "float": float, "int": int}
"""Of Python's own types; numpy 1.24 took them out."""


@contextmanager
def old_numpy_names() -> Iterator[None]:
    """Let code inside the block call Python's types as numpy's, where this numpy has none of that name."""
    missing = [name for name in _NAMES if name not in vars(np)]
    for name in missing:
        setattr(np, name, _NAMES[name])
    try:
        yield
    finally:
        for name in missing:
            delattr(np, name)
