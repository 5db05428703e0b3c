"""What two runtimes are compared on: a picture, or a random and a blank one, prepared as the file says."""

from typing import Any, Dict, List, Optional, Tuple

import cv2
import numpy as np
import onnx

from ..runtime import Recognizer, open_model
from ..support import InputError

Arrays = Dict[str, np.ndarray]
Size = Tuple[int, int]

_CLIPS = {5: 16, 6: 2}
"""How many clips there are where a file leaves it open: of frames in their place, by the axes of the input."""
_SIZE = (256, 256)
_OTHER = 8
"""The size of an open axis that is neither the batch nor a picture's side."""
_COARSE = 8
"""The side of the random values that a picture is blown up from, which has shapes as well as grain then."""
_MEAN, _DEVIATION = 110.0, 60.0
"""What a picture is brought into the range with where the file does not say how."""


def make_feeds(
    path: str, model: onnx.ModelProto, image: Optional[str], shape: Optional[Size], batch: int
) -> Dict[str, Arrays]:
    """The inputs to compare on, by what they show.

    Args:
        path: the file.
        model: its model, without inputs that may be left out.
        image: a picture's path, None for a random and a blank one.
        shape: (height, width) in pixels where the file leaves them open.
        batch: how many pictures where the file leaves that open.

    Raises:
        InputError: the picture cannot be read, or the file does not say how it is prepared.
    """
    known = _known(path)
    if image is not None:
        if known is None:
            raise InputError(
                f"'{path}' does not say how a picture is prepared",
                "a file that mmonnx export wrote",
                "leave --image out",
            )
        more = [*known.description.companions, *(["text"] if known.description.prompt is not None else [])]
        if more:
            raise InputError(
                f"'{path}' takes {' and '.join(more)} beside a picture",
                "a file that takes a picture alone",
                "leave --image out",
            )
        feed = known.prepare(known.read(image), shape)
        return {image: {"input": _repeated(feed, _dims(model.graph.input[0]), batch)}}
    size = shape or _SIZE
    makers = {"random": _random_picture, "blank": lambda size, channels, seed: np.zeros((*size, channels), np.uint8)}
    return {
        name: {value.name: _feed(value, known, make, size, batch) for value in model.graph.input}
        for name, make in makers.items()
    }


def _known(path: str) -> Any:
    """What prepares pictures for a file, None if it does not say how."""
    try:
        found = open_model(path, "cpu")
    except InputError:
        return None
    return None if isinstance(found, Recognizer) else found  # that takes films, and no picture


def _dims(value: onnx.ValueInfoProto) -> List[Any]:
    return [dim.dim_value or dim.dim_param for dim in value.type.tensor_type.shape.dim]


def _feed(value: onnx.ValueInfoProto, known: Any, make: Any, size: Size, batch: int) -> np.ndarray:
    """What is fed to one input."""
    dims, kind = _dims(value), onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    if known is not None and known.description.companions.get(value.name, {}).get("read") == "width":
        return np.full(_fixed(dims)[0] or batch, size[1], kind)  # the picture fills the input
    if value.name == "input" and len(dims) in _CLIPS and kind.kind == "f":
        given = (batch, _CLIPS[len(dims)], 3, *[8] * (len(dims) - 5), *size)
        return _values([fixed or other for fixed, other in zip(_fixed(dims), given)], kind)
    if len(dims) != 4 or kind.kind != "f":
        return _values([dim or (batch if axis == 0 else _OTHER) for axis, dim in enumerate(_fixed(dims))], kind)
    count, channels, height, width = (fixed or other for fixed, other in zip(_fixed(dims), (batch, 3, *size)))
    pictures = [make((height, width), channels, seed) for seed in range(count)]
    if known is not None and value.name == "input" and channels in (1, 3):
        pictures = [picture if channels == 3 else picture[..., 0] for picture in pictures]
        return np.concatenate([known.prepare(picture, (height, width)) for picture in pictures])
    return ((np.stack(pictures).transpose(0, 3, 1, 2) - _MEAN) / _DEVIATION).astype(kind)


def _fixed(dims: List[Any]) -> List[int]:
    """The sizes of axes, 0 where they are open."""
    return [dim if isinstance(dim, int) else 0 for dim in dims]


def _values(shape: List[int], kind: np.dtype) -> np.ndarray:
    random = np.random.RandomState(0)
    if kind.kind == "f":
        return random.standard_normal(shape).astype(kind)
    return random.randint(0, 2, shape).astype(kind)


def _random_picture(size: Size, channels: int, seed: int) -> np.ndarray:
    """(H, W, C) uint8: blurred areas, edges and grain, as a photograph has them."""
    random = np.random.RandomState(seed)
    coarse = random.rand(_COARSE, _COARSE, channels).astype(np.float32)
    areas = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC).reshape(*size, channels)
    edges = cv2.resize(coarse[::-1], size[::-1], interpolation=cv2.INTER_NEAREST).reshape(*size, channels)
    grain = random.standard_normal((*size, channels))
    return np.clip(255 * (0.6 * areas + 0.4 * edges + 0.04 * grain), 0, 255).astype(np.uint8)


def _repeated(feed: np.ndarray, dims: List[Any], batch: int) -> np.ndarray:
    """A picture's input, as often as the batch asks for; every other one is mirrored, so that rows differ."""
    count = (_fixed(dims) or [0])[0] or batch
    return np.concatenate([feed if number % 2 == 0 else feed[..., ::-1] for number in range(count)])
