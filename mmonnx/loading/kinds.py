"""How results of a type are compared and drawn, for types that a codebase brings."""

from dataclasses import dataclass
from typing import Any, Callable, Sequence, Tuple

import numpy as np


@dataclass(frozen=True)
class Kind:
    """How results of one type are compared and drawn.

    Attributes:
        match: ``(expected, actual, tolerances, noise) -> mmonnx.verifying.Match``: PyTorch's result, the runtime's,
            what they may differ by, and what ``noise`` gave, with PyTorch's further runs added.
        noise: ``expected -> an object with add(again)``, which is told what PyTorch gives when it rounds otherwise.
        draw: ``(canvas, scale, result, classes) -> (canvas, note)``: the result on a picture (H, W, 3) BGR uint8 that
            is ``scale`` times the network's input, and what to say of it in a few words.
    """

    match: Callable[[Any, Any, Any, Any], Any]
    noise: Callable[[Any], Any]
    draw: Callable[[np.ndarray, float, Any, Sequence[str]], Tuple[np.ndarray, str]]
