"""What mmonnx changes in a process for a while, and threads: one of them alone, or all that are inside together."""

import functools
import threading
from contextlib import ExitStack, contextmanager
from typing import Callable, ContextManager, Iterator

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


def shared(change: Callable[[], ContextManager[None]]) -> Callable[[], ContextManager[None]]:
    """Let any number of threads be inside of a change at once: the first in makes it, and the last out undoes it.

    Args:
        change: a context manager's function without arguments.
    """
    lock, inside, made = threading.Lock(), [0], ExitStack()

    @contextmanager
    def sharing() -> Iterator[None]:
        with lock:
            if not inside[0]:
                made.enter_context(change())
            inside[0] += 1
        try:
            yield
        finally:
            with lock:
                inside[0] -= 1
                if not inside[0]:
                    made.close()

    return functools.wraps(change)(sharing)
