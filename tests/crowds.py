"""Threads and forks for the tests."""

import threading
import time
from typing import Any, Callable, List, Sequence


def together(works: Sequence[Callable[[], Any]], timeout: float = 600.0) -> List[Any]:
    """Run functions at once, each in a thread of its own; what they return, or the first error that one raises."""
    start, results, errors = threading.Barrier(len(works)), {}, []

    def run(number: int) -> None:
        try:
            start.wait(timeout)
            results[number] = works[number]()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]
    return [results[number] for number in range(len(works))]


def in_thread(work: Callable[[], Any]) -> Any:
    """What a function returns in another thread."""
    return together([work])[0]


def wait_for(forks: Sequence[Any], seconds: float = 300.0) -> None:
    """Wait for the processes of ``multiprocessing``, and end those that go on.

    This process would wait for these at its end, and whoever reads its output waits as long as they hold it open: a run
    of tests that has told of all its failures, and does not end.
    """
    end = time.monotonic() + seconds
    for fork in forks:
        fork.join(max(end - time.monotonic(), 0))
    for fork in forks:
        fork.kill()
        fork.join()
