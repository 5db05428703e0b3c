"""The texts of a picture, as annotations of mmocr's datasets have them, as the inputs that a file takes."""

import numpy as np

NOTHING = -1
"""What texts are filled up with behind their characters."""


def relations_of(boxes: np.ndarray, norm: float) -> np.ndarray:
    """How boxes lie to each other, as mmocr's ``KIEDataset`` says it.

    Args:
        boxes: (n, 4) float32, ``(x1, y1, x2, y2)`` in pixels.
        norm: what distances are divided by.

    Returns:
        (n, n, 5) float32: of the first box and the second one, how far the second is to the right and down, the
        first one's width by its height, the second's height by the first's, and the second's width by the first's
        height.
    """
    left, top, right, bottom = (boxes[:, column : column + 1] for column in range(4))
    width, height = np.maximum(right - left + 1, 1), np.maximum(bottom - top + 1, 1)
    apart = [(side.T - side) / norm for side in (left, top)]
    own = width / height + np.zeros_like(height.T)
    return np.stack([*apart, own, height.T / height, width.T / height], -1).astype(np.float32)


def filled(texts: np.ndarray) -> np.ndarray:
    """Texts (n, L) int64 of one character at least, as no file takes a page without any."""
    return texts if texts.shape[1] else np.full((len(texts), 1), NOTHING, np.int64)
