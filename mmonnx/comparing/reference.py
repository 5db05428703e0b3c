"""What ONNX Runtime gives, and what of it depends on how it rounds."""

from typing import Dict, Iterable, List, NamedTuple

import numpy as np
import onnx

from ..graph import part
from ..runtime import Session

Arrays = Dict[str, np.ndarray]

_RUNS = 3


class Level(NamedTuple):
    """How much may differ.

    Attributes:
        share: of floats, as a share of their tensor's magnitude.
        roundings: the noise on the inputs of a further run, in float32's roundings of the greatest.
    """

    share: float
    roundings: float


FINE = Level(1e-4, 16.0)
"""What rounding in every layer comes to."""
GROSS = Level(1e-2, 512.0)
"""What a runtime is off by that takes a short cut, such as a fast convolution; not what makes an answer another one."""


class Expected(NamedTuple):
    """A tensor that ONNX Runtime gives.

    Attributes:
        value: it.
        again: the same in further runs, in which a few roundings of noise lie on the inputs.
    """

    value: np.ndarray
    again: List[np.ndarray]


def reference_of(
    model: onnx.ModelProto, names: Iterable[str], feeds: Arrays, level: Level = FINE
) -> Dict[str, Expected]:
    """Tensors of a model by name; those that are no arrays, such as sequences, are left out."""
    session = Session(part(model, names), arena=False)
    first = session.run(feeds)
    again = [session.run(_with_noise(feeds, seed, level.roundings)) for seed in range(_RUNS)]
    return {
        name: Expected(value, [run[name] for run in again])
        for name, value in first.items()
        if isinstance(value, np.ndarray)
    }


def values_of(model: onnx.ModelProto, names: Iterable[str], feeds: Arrays) -> Arrays:
    """The same of the first run alone."""
    found = Session(part(model, names), arena=False).run(feeds)
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}


def _with_noise(feeds: Arrays, seed: int, roundings: float) -> Arrays:
    random = np.random.RandomState(seed)
    return {
        name: _noisy(value, random, roundings) if value.dtype.kind == "f" else value for name, value in feeds.items()
    }


def _noisy(value: np.ndarray, random: np.random.RandomState, roundings: float) -> np.ndarray:
    size = roundings * float(np.finfo(np.float32).eps) * max(float(np.abs(value).max(initial=0.0)), 1.0)
    return (value + size * random.standard_normal(value.shape)).astype(value.dtype)
