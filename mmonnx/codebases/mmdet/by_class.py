"""Upstream's lists of arrays by class, the results of mmdet 2.x."""

from typing import Any, Optional, Tuple

import numpy as np

from ...runtime import Detections


def to_detections(result: Any, size: Tuple[int, int]) -> Detections:
    """From upstream's lists per class; sorted by score, as the file gives them."""
    boxes, segments = result if isinstance(result, tuple) else (result, None)
    if isinstance(boxes, np.ndarray):  # proposals of an RPN
        return Detections(boxes.astype(np.float32), np.zeros(len(boxes), np.int64))
    labels = np.concatenate([np.full(len(rows), label, np.int64) for label, rows in enumerate(boxes)])
    dets = np.concatenate([np.asarray(rows, np.float32).reshape(-1, 5) for rows in boxes])
    order = np.argsort(-dets[:, 4], kind="stable")
    masks: Optional[np.ndarray] = None
    mask_scores: Optional[np.ndarray] = None
    if segments is not None:
        if isinstance(segments, tuple):  # Mask Scoring R-CNN: masks and their scores
            segments, by_class = segments
            mask_scores = np.concatenate([np.asarray(rows, np.float32).reshape(-1) for rows in by_class])[order]
        flat = [np.asarray(mask) for rows in segments for mask in rows]
        masks = np.stack(flat)[order] if flat else np.zeros((0,) + size, bool)
    return Detections(dets[order], labels[order], masks, mask_scores)
