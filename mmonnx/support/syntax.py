"""Syntax trees, whose depth CPython 3.11 and 3.12 count once for all threads."""

import gc
from contextlib import contextmanager
from typing import Iterator

from .threads import shared


@shared
@contextmanager
def syntax_trees() -> Iterator[None]:
    """Build syntax trees in this block, whatever other threads do.

    Up to CPython 3.11.7 and 3.12.1, where two threads build one at once, one fails with ``SystemError: AST constructor
    recursion depth mismatch`` (python/cpython#106905), and a thread that prints a traceback builds one. Only the
    garbage collector lets another thread run in the middle of it, so it waits.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
