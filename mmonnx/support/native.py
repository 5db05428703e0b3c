"""What libraries in C and C++ do behind Python's back."""

import contextlib
import os
import sys
from typing import Iterator

from .threads import shared


@shared
@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide what libraries write to the file descriptor of stderr; the error that is raised says it as well.

    Decoders print a line for each thing that they do not like of a file. Threads may be inside at the same time.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or not there
            sys.stderr.flush()
        with contextlib.suppress(OSError):
            saved = os.dup(2)
            stack.callback(os.close, saved)
            stack.callback(os.dup2, saved, 2)
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 2)
            os.close(null)
        yield
