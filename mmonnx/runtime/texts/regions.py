"""Where text is: boundaries of a text detector's maps, as mmocr's own post-processing finds them."""

import importlib
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

import cv2
import numpy as np

from ...flooding import contour_expand, pixel_group
from ...support import InputError, command_line
from ..results import TextRegions

MAPS = "maps"
_FOUR = 4
_LEAST_NUMBERS = 8
"""Of a boundary with its score: upstream counts that as well."""
How = Mapping[str, Any]
Boundary = Tuple[np.ndarray, float]


def regions_of(values: Mapping[str, np.ndarray], texts: How, scale: Tuple[float, float] = (1.0, 1.0)) -> TextRegions:
    """The boundaries of the text in one image.

    Args:
        values: the maps by output name, (C, h, w) each.
        texts: how they are read, see ``runtime.texts``.
        scale: how many times as wide and as high the picture has become in the network's input.

    Raises:
        InputError: a package is needed for it that is not installed.
    """
    found = FINDERS[texts["how"]](values, texts)
    # upstream's own arithmetic: the factors are float32
    factors = 1.0 / float(texts.get("downsample", 1.0)) / np.asarray(scale, np.float32)
    boundaries = [np.asarray(points, np.float64) * np.tile(factors, len(points) // 2) for points, _ in found]
    return TextRegions(boundaries, np.array([score for _, score in found], np.float64))


def _of_db(values: Mapping[str, np.ndarray], texts: How) -> List[Boundary]:
    score_map, settings = values[MAPS][0].astype(np.float32), texts["settings"]
    mask = np.where(score_map > np.float32(settings["mask_thr"]), 255, 0).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for contour in contours[: settings["max_candidates"] + 1]:
        outline = cv2.approxPolyDP(contour, settings["epsilon_ratio"] * cv2.arcLength(contour, True), True)[:, 0]
        score = _mean_inside(score_map, outline) if len(outline) >= _FOUR else -1.0
        if len(outline) < _FOUR or score < settings["min_text_score"]:
            continue
        grown = _unclipped(outline, settings["unclip_ratio"])
        if grown is None:
            continue
        if settings["text_repr_type"] == "quad":
            boundary = _quad(grown, score, settings["min_text_width"])
        else:
            boundary = _long_enough(grown.reshape(-1), score)
        found += [] if boundary is None else [boundary]
    return found


def _mean_inside(score_map: np.ndarray, outline: np.ndarray) -> float:
    """The mean score of what lies in an outline (k, 2) of whole numbers inside of the map."""
    low, high = outline.min(0), outline.max(0)
    mask = np.zeros((high - low + 1)[::-1], np.uint8)
    cv2.fillPoly(mask, [(outline - low).astype(np.int32)], (1,))
    return float(cv2.mean(score_map[low[1] : high[1] + 1, low[0] : high[0] + 1], mask)[0])


def _unclipped(outline: np.ndarray, ratio: float) -> Optional[np.ndarray]:
    """(k, 2) int, an outline that has grown outwards by ``ratio`` * area / length; None where that leaves nothing."""
    pyclipper = needed("pyclipper", "pyclipper")
    x, y = outline.astype(np.float64).T
    area = abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())) / 2
    length = float(np.hypot(np.roll(x, -1) - x, np.roll(y, -1) - y).sum())
    offset = pyclipper.PyclipperOffset()
    offset.AddPath(outline, pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    paths = offset.Execute(area * ratio / length)
    # several parts of unlike lengths are no boundary upstream
    return np.array(paths).reshape(-1, 2) if paths and len({len(path) for path in paths}) == 1 else None


def _of_pan(values: Mapping[str, np.ndarray], texts: How) -> List[Boundary]:
    maps, settings = values[MAPS].astype(np.float32), texts["settings"]
    score, kernel_score = _sigmoid(maps[0]), _sigmoid(maps[1])
    text = score > np.float32(settings["min_text_confidence"])
    kernel = ((kernel_score > np.float32(settings["min_kernel_confidence"])) & text).astype(np.uint8)
    count, labels = cv2.connectedComponents(kernel, connectivity=4)
    outlines, _ = cv2.findContours(kernel * 255, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    contour = np.zeros(text.shape, np.uint8)
    cv2.drawContours(contour, outlines, -1, (255,))
    least, found = settings["min_text_avg_confidence"], []
    embedding = np.ascontiguousarray(maps[2:].transpose(1, 2, 0))
    for entry in pixel_group(score, text, embedding, labels, contour, count, float(least)):
        points = np.array(entry[2:], int).reshape(-1, 2)
        if len(points) >= settings["min_text_area"] and entry[0] > least:
            found.append(_boundary(points, settings["text_repr_type"], entry[0]))
    return [one for one in found if one is not None]


def _of_pse(values: Mapping[str, np.ndarray], texts: How) -> List[Boundary]:
    probs, settings = _sigmoid(values[MAPS].astype(np.float32)), texts["settings"]
    masks = probs > np.float32(settings["min_kernel_confidence"])
    kernels = (masks & masks[0]).astype(np.uint8)
    _, smallest = cv2.connectedComponents(kernels[-1], connectivity=4)
    labels, found = contour_expand(kernels, smallest, settings["min_kernel_area"]), []
    for label in range(1, int(labels.max(initial=0)) + 1):
        rows, columns = np.nonzero(labels == label)
        score = float(np.mean(probs[0][rows, columns])) if len(rows) else 0.0
        if len(rows) >= settings["min_text_area"] and score > settings["min_text_avg_confidence"]:
            found.append(_boundary(np.stack([columns, rows], 1), settings["text_repr_type"], score))
    return [one for one in found if one is not None]


def _boundary(points: np.ndarray, kind: str, score: float, least_width: float = -1.0) -> Optional[Boundary]:
    """The boundary of pixels (n, 2), as a rectangle (``quad``) or as the outline of the first region (``poly``)."""
    if kind == "quad":
        return _quad(points, score, least_width)
    low = points.min(0)
    mask = np.zeros((points.max(0) - low + 3)[::-1], np.uint8)
    mask[points[:, 1] - low[1] + 1, points[:, 0] - low[0] + 1] = 255
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return _long_enough((contours[0][:, 0] + low - 1).reshape(-1), score)


def _quad(points: np.ndarray, score: float, least_width: float = -1.0) -> Optional[Boundary]:
    rectangle = cv2.minAreaRect(points.astype(np.int32))
    corners = cv2.boxPoints(rectangle)
    return (corners.reshape(-1), score) if min(rectangle[1]) > least_width else None


def _long_enough(points: np.ndarray, score: float) -> Optional[Boundary]:
    return (points, score) if len(points) + 1 >= _LEAST_NUMBERS else None


def _sigmoid(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return (1 / (1 + np.exp(-values))).astype(np.float32)


def needed(module: str, distribution: str) -> Any:
    """A module that post-processing needs.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            "the boundaries of the file's maps are not found without " + distribution,
            distribution,
            command_line("pip", "install", distribution),
        ) from error


FINDERS: Dict[str, Callable[[Mapping[str, np.ndarray], How], List[Boundary]]] = {
    "db": _of_db,
    "pan": _of_pan,
    "pse": _of_pse,
}
