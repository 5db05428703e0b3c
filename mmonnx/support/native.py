"""What libraries in C and C++ do behind Python's back."""

import contextlib
import os
import sys
import threading
from typing import Iterator, List

_lock = threading.Lock()
_saved: List[int] = []
_inside: List[int] = []


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide what libraries write to the file descriptor of stderr; the error that is raised says it as well.

    Decoders print a line for each thing that they do not like of a file. Threads may be inside at the same time.
    """
    with _lock:
        if not _inside:
            with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or not there
                sys.stderr.flush()
            with contextlib.suppress(OSError):
                _saved.append(os.dup(2))
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, 2)
                os.close(null)
        _inside.append(1)
    try:
        yield
    finally:
        with _lock:
            _inside.pop()
            if not _inside and _saved:
                descriptor = _saved.pop()
                os.dup2(descriptor, 2)
                os.close(descriptor)
