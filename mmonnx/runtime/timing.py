"""How long a file takes in ONNX Runtime."""

import os
import time
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

import numpy as np

from ..support import InputError, first_line
from .session import Session, has_cuda

_ROUNDS = 10
_SECONDS = 3.0
"""After which no further round is begun."""


@dataclass(frozen=True)
class Timing:
    """The times of one way to run a file.

    Attributes:
        how: the device and its threads.
        times_ms: of each round.
    """

    how: str
    times_ms: Tuple[float, ...]

    @property
    def ms(self) -> float:
        """The median."""
        return float(np.median(self.times_ms))


def time_file(path: str, shape: Tuple[int, int]) -> List[Timing]:
    """Run a file on one image of noise, on one thread, on all cores and, where there is one, on the GPU.

    Args:
        path: an ONNX file whose only input without a default is an image (N, C, H, W) of floats.
        shape: (height, width) of the image.

    Raises:
        InputError: it takes something else, or does not run.
    """
    cores = os.cpu_count() or 1
    ways: Dict[str, Tuple[str, Optional[int]]] = {"CPU, 1 thread": ("cpu", 1)}
    if cores > 1:
        ways[f"CPU, {cores} threads"] = ("cpu", None)
    if has_cuda():
        ways["GPU"] = ("cuda", None)
    return [Timing(how, _times(path, shape, *way)) for how, way in ways.items()]


def _times(path: str, shape: Tuple[int, int], device: str, threads: Optional[int]) -> Tuple[float, ...]:
    try:
        session = Session(path, device, threads)
        feeds = {session.input_names[0]: _image(session, shape)}
        session.run(feeds)
        times: List[float] = []
        while len(times) < _ROUNDS and sum(times) < _SECONDS * 1e3:
            started = time.perf_counter()
            session.run(feeds)
            times.append((time.perf_counter() - started) * 1e3)
    except InputError:
        raise
    except Exception as error:  # ONNX Runtime has many
        raise InputError(
            f"'{path}' does not run on an image of {shape[0]}x{shape[1]} ({first_line(error)[:300]})",
            "a file that ONNX Runtime takes",
            "give another --shape",
        ) from error
    return tuple(times)


def _image(session: Session, shape: Tuple[int, int]) -> np.ndarray:
    """Noise with the statistics of a normalised image."""
    dims = session.input_shape(session.input_names[0]) if len(session.input_names) == 1 else ()
    if len(dims) != 4 or session.input_type(session.input_names[0]) != "tensor(float)":
        raise InputError(
            "the file takes more, or something else, than an image", "(N, C, H, W) floats", "run it yourself"
        )
    sizes = [dims[0] if isinstance(dims[0], int) else 1, dims[1] if isinstance(dims[1], int) else 3, *shape]
    return np.random.RandomState(0).standard_normal(sizes).astype(np.float32)
