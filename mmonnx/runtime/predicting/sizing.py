"""How much of a run goes on at the same time, by the file, the device and what the user says."""

import os
from typing import Any, Optional

from ...support import InputError
from .flow import Limits

_CPU_PIXELS = 1 << 16
"""Of a batch on the CPU. Larger ones take more memory and no less time (measured: 320x320 by itself, 64x64 in 16)."""
_GPU_PIXELS = 1 << 22
_MOST = {False: 16, True: 32}
"""Pictures in a batch, on the CPU and on a GPU."""
_LANE_PIXELS = 1 << 17
"""Of the network's input for each thread: what is larger gets the threads for its operators, one after the other."""
_MANY = 16
"""Pictures for each thread: with fewer, loading the file again would cost more than it brings."""


def limits_for(model: Any, threads: Optional[int], batch_size: Optional[int], shared: bool = False) -> Limits:
    """How much goes on at the same time.

    Args:
        model: a ``Detector`` or ``Classifier``.
        threads: that the user allows; None for one per core.
        batch_size: the greatest number of pictures in a batch; None for what suits the file and the device.
        shared: whether those that read run the network as well, see ``runs_side_by_side``.

    Raises:
        InputError: the file takes another number.
    """
    if batch_size is not None and model.batch is not None and batch_size != model.batch:
        raise InputError(
            f"--batch-size {batch_size} is not the file's, which takes {model.batch} at a time",
            f"--batch-size {model.batch}",
            "leave it out, or export the model again with --dynamic-export",
        )
    session, threads = model.session, threads or cores()
    on_gpu, together = session.is_gpu, session.takes_calls_together
    fixed = batch_size or model.batch or (None if together or on_gpu else 1)
    most = fixed or _MOST[on_gpu]

    def batch(pixels: int) -> int:
        return fixed or max(1, min(most, (_GPU_PIXELS if on_gpu else _CPU_PIXELS) // pixels))

    lanes = threads if together else 1
    return Limits(threads, lanes, _LANE_PIXELS * threads, batch, 2 * lanes * most + threads, shared)


def runs_side_by_side(model: Any, threads: Optional[int], count: int) -> bool:
    """Whether pictures go through the network side by side, with one thread each for its operators.

    Many pictures, none of them large, take less time so than where operators share the threads and wait for each other.

    Args:
        model: as of ``limits_for``.
        threads: as of ``limits_for``.
        count: of the pictures.
    """
    small = 0 < (model.most_pixels or 0) <= _LANE_PIXELS
    return small and count >= _MANY * (threads or cores()) and model.session.takes_calls_together


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
