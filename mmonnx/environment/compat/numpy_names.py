"""Names that numpy had until 1.24, which upstream's post-processing still uses."""

from contextlib import contextmanager
from typing import Any, Dict, Iterator

import numpy as np

from ...support import shared

_NAMES: Dict[str, Any] = {"bool": bool, "int": int, "float": float, "object": object, "int0": np.intp}


@shared
@contextmanager
def old_numpy_names() -> Iterator[None]:
    """Let numpy have its old names for Python's types inside the block, where it has them no longer.

    What uses them would raise an error otherwise. They go with the last thread that is inside.
    """
    given = [name for name in _NAMES if name not in vars(np)]
    for name in given:
        setattr(np, name, _NAMES[name])
    try:
        yield
    finally:
        for name in given:
            delattr(np, name)
