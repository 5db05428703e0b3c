"""How results of a type are compared and drawn, for types that a codebase brings."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Callable, Mapping, Sequence, Tuple, Type

import numpy as np

from ..runtime import drawing


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


Kinds = Mapping[Type[Any], Kind]
NO_KINDS: Kinds = MappingProxyType({})


def draw_result(
    kinds: Kinds,
    canvas: np.ndarray,
    scale: int,
    result: Any,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]] = (),
    skeleton: Sequence[Mapping[str, Sequence[int]]] = (),
) -> Tuple[np.ndarray, str]:
    """Draw a result of a codebase's own type, or of ``mmonnx.runtime``'s; the picture, and a note.

    Args:
        kinds: a codebase's.
        canvas, scale, result, classes, palette, skeleton: see ``runtime.drawing.draw_result``.
    """
    kind = kinds.get(type(result))
    if kind is not None:
        return kind.draw(canvas, scale, result, classes)
    return drawing.draw_result(canvas, scale, result, classes, palette, skeleton)
