"""The boundaries of texts whose components are linked, as DRRG's post-processing draws them."""

from typing import Dict, List, Mapping, Tuple

import cv2
import numpy as np

_FAR = 50.0
"""Components that are further apart, in pixels, are of two texts."""
Boundary = Tuple[np.ndarray, float]


def outlines_of(values: Mapping[str, np.ndarray], link_thr: float) -> List[Boundary]:
    """The boundaries of one picture's texts.

    Args:
        values: ``components`` (n, 9), ``edges`` (n, k) and ``links`` (n, k), see ``linking``.
        link_thr: the mean of two components' links from which on they are of one text.

    Returns:
        (2k,) and a score each; a component without any other is no text. Upstream's order is one of memory's places.
    """
    components = values["components"]
    if not len(components):
        return []
    links = _links(components, values["edges"], values["links"].astype(np.float64))
    kept: Dict[int, List[int]] = {node: [] for node in range(len(components))}
    for (one, other), score in links.items():
        if score >= link_thr:
            kept[one].append(other)
            kept[other].append(one)
    clusters = [np.array(cluster) for cluster in _clusters(kept) if len(cluster) > 1]
    boxes = components[:, :8].reshape(-1, 4, 2).astype(np.int32)
    return [(_outline(boxes[cluster]), float(components[cluster, 8].mean())) for cluster in clusters]


def _links(components: np.ndarray, edges: np.ndarray, scores: np.ndarray) -> Dict[Tuple[int, int], float]:
    """How likely pairs of components are of one text; of what is said twice each later one counts a half."""
    centres = components[:, :8].reshape(-1, 4, 2).mean(1)
    far = np.linalg.norm(centres[:, None] - centres[edges], axis=2) > _FAR
    known: Dict[Tuple[int, int], float] = {}
    for one, row in enumerate(np.where(far, 0.0, scores).tolist()):
        for other, score in zip(edges[one].tolist(), row):
            pair = (min(one, other), max(one, other))
            known[pair] = 0.5 * (known[pair] + score) if pair in known else score
    return known


def _clusters(kept: Mapping[int, List[int]]) -> List[List[int]]:
    """The components that are linked, directly or by others, each group in ascending order."""
    left, found = set(kept), []
    for start in kept:
        if start in left:
            left.discard(start)
            cluster = [start]
            for node in cluster:  # which grows on the way
                new = [one for one in dict.fromkeys(kept[node]) if one in left]
                left.difference_update(new)
                cluster += new
            found.append(sorted(cluster))
    return found


def _outline(boxes: np.ndarray) -> np.ndarray:
    """(2k,) around boxes (n, 4, 2) int32 along a text: along their tops, and back along their bottoms."""
    boxes = boxes[_path(boxes.mean(1).astype(np.int32))]
    top, bottom = (boxes[:, side : side + 2].mean(1).astype(np.int32) for side in (0, 2))
    contour = np.concatenate([top, bottom[::-1]]).astype(np.int32)
    before, behind = _end(boxes[0], contour), _end(boxes[-1], contour)
    top = np.concatenate([before[:1], top, behind[:1]])
    bottom = np.concatenate([before[1:], bottom, behind[1:]])
    return np.asarray(np.concatenate([top, bottom[::-1]]).reshape(-1))


def _path(centres: np.ndarray) -> List[int]:
    """The order in which components follow each other: from the first one on, the nearest is next to either end.

    Of components with one and the same centre upstream takes the first one alone.
    """
    points = [tuple(one) for one in centres.tolist()]
    left, path = points[1:], [points[0]]
    while left:
        gaps = [[_gap(end, one) for one in left] for end in (path[0], path[-1])]
        nearest = [min(side) for side in gaps]
        at_start = nearest[0] <= nearest[1]
        side = gaps[0] if at_start else gaps[1]
        # of several at one distance the last
        chosen = left[len(side) - 1 - side[::-1].index(min(side))]
        left.remove(chosen)
        path.insert(0 if at_start else len(path), chosen)
    return [points.index(one) for one in dict.fromkeys(path)]


def _gap(one: Tuple[int, ...], other: Tuple[int, ...]) -> float:
    return float(((one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2) ** 0.5)


def _end(box: np.ndarray, contour: np.ndarray) -> np.ndarray:
    """(2, 2) the corners at a line's end, of the side of a box that is not inside; (0, 2) where both are."""
    for above, below in ((0, 3), (1, 2)):
        x, y = (box[above] + box[below]) / 2
        if not cv2.pointPolygonTest(contour, (int(x), int(y)), False) > 0:
            return np.stack([box[above], box[below]])
    return np.empty((0, 2), np.int32)
