"""Labels that grow from kernels to the texts around them, in the order of mmcv's compiled loops."""

from typing import Callable, List, Optional, Tuple

import numpy as np

_NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""(row, column) in the order in which mmcv looks at them."""
Allowed = Callable[[np.ndarray, np.ndarray], np.ndarray]


def contour_expand(kernels: np.ndarray, labels: np.ndarray, min_area: int) -> np.ndarray:
    """Labels that have grown over the largest kernel.

    Args:
        kernels: (K, H, W), not 0 in each kernel's area, the largest first. mmcv means to grow through one after the
            other, and grows through the largest alone.
        labels: (H, W) int32, of the smallest kernel, 0 for none.
        min_area: kernels of fewer pixels are left out.

    Returns:
        (H, W) int32.
    """
    large = np.bincount(labels.ravel()) >= min_area
    large[0] = False
    grown: np.ndarray = np.where(large[labels], labels, 0).astype(np.int32)
    if len(kernels) > 1:
        _grow(grown, np.flatnonzero(grown), kernels[0] != 0)
    return grown


def pixel_group(
    score: np.ndarray,
    mask: np.ndarray,
    embedding: np.ndarray,
    labels: np.ndarray,
    contour: np.ndarray,
    count: int,
    distance: float,
) -> List[List[float]]:
    """The pixels of each text: those around its kernel whose embeddings are near the kernel's mean.

    Args:
        score: (H, W) float32.
        mask: (H, W) bool, where there is text.
        embedding: (H, W, D) float32.
        labels: (H, W) int32 of the kernels, 0 for none.
        contour: (H, W), not 0 on the kernels' borders, from which they grow.
        count: the number of labels, 0 included.
        distance: an embedding that is as far off or farther belongs to another text.

    Returns:
        For each label the mean score, the number of pixels, then x, y of each, row by row.
    """
    inside, depth = labels > 0, embedding.shape[2]
    sums = np.zeros((count, depth + 1), np.float32)
    ones = np.ones((int(inside.sum()), 1), np.float32)
    np.add.at(sums, labels[inside], np.concatenate([embedding[inside], ones], 1))  # in float32 and in order, as there
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums[:, :depth] / sums[:, depth:]
    flat, limit = embedding.reshape(-1, depth), np.float32(distance) * np.float32(distance)

    def near(pixels: np.ndarray, of: np.ndarray) -> np.ndarray:
        squares = np.square(means[of].astype(np.float32) - flat[pixels], dtype=np.float64)
        total = np.zeros(len(pixels), np.float32)
        for place in range(depth):
            total = (total + squares[:, place]).astype(np.float32)
        return np.asarray(total < limit)

    grown = labels.astype(np.int32).copy()
    _grow(grown, np.flatnonzero(inside & (contour != 0)), mask, near)
    return [_points(grown, score, label) for label in range(count)]


def _points(labels: np.ndarray, score: np.ndarray, label: int) -> List[float]:
    rows, columns = np.nonzero(labels == label) if label else (np.empty(0, int), np.empty(0, int))
    if not len(rows):
        return [0.0, 0.0]
    total = np.cumsum(score[rows, columns], dtype=np.float32)[-1]
    points = np.stack([columns, rows], 1).ravel().tolist()
    return [float(total / np.float32(len(rows))), float(len(rows)), *map(float, points)]


def _grow(
    labels: np.ndarray,
    frontier: np.ndarray,
    mask: np.ndarray,
    allowed: Optional[Allowed] = None,
) -> None:
    """Let labels grow over a mask, a ring of pixels at a time: what a queue does, as who comes first has a pixel.

    Args:
        labels: (H, W), is changed.
        frontier: flat indices of the pixels to begin with, in order.
        mask: (H, W) bool.
        allowed: which of pixels (flat indices) may have labels; None for all.
    """
    height, width = labels.shape
    flat, free = labels.reshape(-1), (mask & (labels == 0)).reshape(-1)
    while len(frontier):
        rows, columns = np.divmod(frontier, width)
        near = np.stack([_shifted(rows, columns, step, (height, width)) for step in _NEIGHBOURS], 1).reshape(-1)
        of = np.repeat(flat[frontier], len(_NEIGHBOURS))
        taken = near >= 0
        taken[taken] = free[near[taken]]
        near, of = near[taken], of[taken]
        if allowed is not None and len(near):
            kept = allowed(near, of)
            near, of = near[kept], of[kept]
        _, first = np.unique(near, return_index=True)
        first.sort()
        frontier = near[first]
        flat[frontier], free[frontier] = of[first], False


def _shifted(rows: np.ndarray, columns: np.ndarray, step: Tuple[int, int], size: Tuple[int, int]) -> np.ndarray:
    """Flat indices of neighbours, -1 outside."""
    row, column = rows + step[0], columns + step[1]
    inside = (row >= 0) & (row < size[0]) & (column >= 0) & (column < size[1])
    return np.where(inside, row * size[1] + column, -1)
