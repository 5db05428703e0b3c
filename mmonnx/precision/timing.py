"""How long a reduced file takes beside the float32 file, on this machine."""

import time
from typing import Dict, List, Sequence, Tuple

import numpy as np

from ..runtime import Session

_ROUNDS, _SECONDS = 40, 8.0
"""After which, or after so many seconds, no further round is begun."""


def side_by_side(path: str, other: str, images: Sequence[Dict[str, np.ndarray]]) -> Tuple[float, float, float]:
    """The median milliseconds of two files that are run in turns, and the median of the second's share of the first's.

    What else the machine does so meets both.
    """
    sessions = [Session(path), Session(other)]
    for session in sessions:
        session.run(images[0])
    times: List[List[float]] = [[], []]
    started = time.perf_counter()
    while len(times[0]) < _ROUNDS and (len(times[0]) < 3 or time.perf_counter() - started < _SECONDS):
        feeds = images[len(times[0]) % len(images)]
        for session, taken in zip(sessions, times):
            begun = time.perf_counter()
            session.run(feeds)
            taken.append((time.perf_counter() - begun) * 1e3)
    first, second = (float(np.median(taken)) for taken in times)
    return first, second, float(np.median(np.asarray(times[1]) / np.asarray(times[0])))
