"""How long a reduced file takes beside the float32 file, on this machine."""

import time
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np

from ..runtime import DEFAULT_RUNTIME, AnySession, EngineSession, Session

_ROUNDS, _SECONDS = 20, 8.0
"""After which, or after so many seconds, no further round is begun."""
_RUNS = 3
"""Of a turn, those that are counted."""


def side_by_side(
    path: str,
    other: str,
    images: Sequence[Dict[str, np.ndarray]],
    rounds: int = _ROUNDS,
    threads: Optional[int] = None,
    runtime: str = DEFAULT_RUNTIME,
) -> Tuple[float, float, float]:
    """The median milliseconds of two files that are run in turns, and the median of the second's share of the first's.

    What else the machine does so meets both. A turn has several runs, of which the first is not counted: it finds the
    weights and tensors of the other file in the processor's caches, which who runs one file never sees.

    Args:
        path, other: the files.
        images: what they take, one after the other.
        rounds: how many turns each has, at most.
        threads: of ONNX Runtime, see ``Session``; of one the processor's time is taken, whatever else it does.
        runtime: the runtime that they are run in.
    """
    sessions = [_session(one, runtime, threads) for one in (path, other)]
    for session in sessions:
        session.run(images[0])
    clock = time.process_time if threads == 1 else time.perf_counter
    times: List[List[float]] = [[], []]
    started = time.perf_counter()
    while len(times[0]) < rounds and (len(times[0]) < 3 or time.perf_counter() - started < _SECONDS):
        feeds = images[len(times[0]) % len(images)]
        for session, taken in zip(sessions, times):
            session.run(feeds)
            begun = clock()
            for _ in range(_RUNS):
                session.run(feeds)
            taken.append((clock() - begun) * 1e3 / _RUNS)
    first, second = (float(np.median(taken)) for taken in times)
    return first, second, float(np.median(np.asarray(times[1]) / np.asarray(times[0])))


def _session(path: str, runtime: str, threads: Optional[int]) -> AnySession:
    return Session(path, num_threads=threads) if runtime == DEFAULT_RUNTIME else EngineSession(path, runtime)
