"""The one lock of what mmonnx changes in a process for a while."""

import threading
from contextlib import contextmanager
from typing import Iterator

_lock = threading.RLock()


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other thread is inside of this; the thread that is may enter again.

    An export, and whatever loads a model, is inside from its beginning to its end: Python and torch keep one search
    path, one list of warnings to hide, one table of symbolics and one random state for the whole process. Inference
    needs none of it, and is never to wait for an export.
    """
    with _lock:
        yield
