"""Where a picture lies in the input, and how large it was: inputs that tell the file so, and that may be left out."""

from typing import Dict, Sequence, Tuple

import numpy as np

IMAGE_SIZE = "img_shape"
"""(height, width) of the picture's part of the input, (2,) float32: what is right of and below it is padding."""
IMAGE_CORNER = "img_corner"
"""(top, left) of that part, (2,) float32, of the models that have the picture in the middle of their input."""
ORIGINAL_SIZE = "ori_shape"
"""(height, width) of the picture before it was resized, (2,) float32: a segmentor's answer has it then."""
DEFAULTS: Dict[str, Tuple[float, float]] = {
    IMAGE_SIZE: (2.0**24, 2.0**24),
    IMAGE_CORNER: (0.0, 0.0),
    ORIGINAL_SIZE: (0.0, 0.0),
}
"""What the inputs are where they are left out: the picture fills the input, and the answer has the input's size."""


def placing(
    names: Sequence[str],
    shape: Sequence[float],
    offset: Sequence[float] = (0.0, 0.0),
    original: Sequence[float] = DEFAULTS[ORIGINAL_SIZE],
) -> Dict[str, np.ndarray]:
    """What to feed the inputs of these names, as far as they are such inputs.

    Args:
        names: of inputs.
        shape: (height, width) of the picture's part of the input, in pixels.
        offset: (left, top) of that part.
        original: (height, width) of the picture before it was resized, in pixels.
    """
    known = {IMAGE_SIZE: shape, IMAGE_CORNER: (offset[1], offset[0]), ORIGINAL_SIZE: original}
    return {name: np.array(value, np.float32) for name, value in known.items() if name in names}
