"""Where text is: boundaries of a text detector's maps, as mmocr's own post-processing finds them."""

import importlib
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

import cv2
import numpy as np

from ...flooding import contour_expand, pixel_group
from ...support import InputError, command_line
from ..results import TextRegions
from .linking import FEATURES, LINKS, linked
from .outlines import outlines_of
from .pixels import filled, sigmoid

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
    score, kernel_score = sigmoid(maps[0]), sigmoid(maps[1])
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
    probs, settings = sigmoid(values[MAPS].astype(np.float32)), texts["settings"]
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


def _of_textsnake(values: Mapping[str, np.ndarray], texts: How) -> List[Boundary]:
    maps, settings = values[MAPS].astype(np.float32), texts["settings"]
    morphology = needed("skimage.morphology", "scikit-image")
    score, centre = sigmoid(maps[0]), sigmoid(maps[1])
    centre = centre * score
    length = np.sqrt(1.0 / (maps[2] ** 2 + maps[3] ** 2 + 1e-8))
    sin, cos, radii = maps[2] * length, maps[3] * length, maps[4]
    mask = filled(centre > settings["min_center_region_confidence"]).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for contour in contours:
        if cv2.contourArea(contour) < settings["min_center_area"]:
            continue
        inside = np.zeros(mask.shape, np.uint8)
        cv2.drawContours(inside, [contour], -1, (1,), -1)
        places = np.argwhere(morphology.skeletonize(inside) > 0)
        at = tuple(places.T)
        # across the text: the sine of the normal is the text's cosine
        way = np.hstack([cos[at][:, None], -sin[at][:, None]])
        line = _centred(places, way * (_STEP * radii[at][:, None]), inside)
        at = tuple(line.T)
        radius = radii[at] * settings["radius_shrink_ratio"]
        disks = np.hstack([np.fliplr(line), radius[:, None], centre[at][:, None]])
        drawn = np.zeros(mask.shape, np.uint8)
        for x, y, wide, _ in _merged(disks, settings["disk_overlap_thr"]):
            if wide > 1:
                cv2.circle(drawn, (int(x), int(y)), int(wide), (1,), -1)
        outlines, _ = cv2.findContours(drawn, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
        mean = float(np.sum(drawn * score) / (np.sum(drawn) + 1e-8))
        if outlines and cv2.contourArea(outlines[0]) > 0 and outlines[0].size > _LEAST_NUMBERS:
            found.append((outlines[0].reshape(-1), mean))
    return found


_STEP = 0.03
"""How far the middle of a text is looked for at a time, as a share of its radius."""
_MOST_STEPS = 10_000
"""Upstream knows no end, where a radius is next to nothing."""


def _centred(places: np.ndarray, step: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The middles between the borders of an area that are found on either side of places (n, 2), in steps (n, 2)."""
    ends = [_walked(places, way, inside) for way in (step, -step)]
    return np.array((ends[0] + ends[1]) * 0.5, np.int32)


def _walked(places: np.ndarray, step: np.ndarray, inside: np.ndarray) -> np.ndarray:
    height, width = inside.shape
    at, going, count = places, np.ones(len(places), bool), 0
    while going.any() and count < _MOST_STEPS:
        count += 1
        row, column = np.array(at + step, np.int32).T
        going = (row >= 0) & (row < height) & (column > 0) & (column < width)
        going &= inside[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)] > 0
        at = at + going[:, None] * step
    return at


def _merged(disks: np.ndarray, least: float) -> np.ndarray:
    """Disks (n, 4) of x, y, radius and score, those near a better one merged with it."""
    order, found = disks[:, 3].argsort()[::-1], []
    while len(order):
        first, rest = disks[order[0]], disks[order[1:]]
        apart = np.linalg.norm(first[:2] - rest[:, :2], axis=1)
        near = apart <= (first[2] + rest[:, 2]) * least
        group = disks[np.hstack([order[0], order[1:][near]])]
        found.append(group.mean(0) if near.any() else first)
        order = order[1:][~near]
    return np.vstack(found)


def _of_fce(values: Mapping[str, np.ndarray], texts: How) -> List[Boundary]:
    settings, found = texts["settings"], []
    for number, scale in enumerate(texts["scales"]):
        maps = [values[f"{MAPS}_{2 * number + one}"].astype(np.float32) for one in range(2)]
        found += _of_level(maps[0], maps[1], settings, scale)
    return _suppressed(found, settings["nms_thr"])


def _of_level(classes: np.ndarray, coefficients: np.ndarray, settings: How, scale: float) -> List[Boundary]:
    """The texts of one level, whose outlines are given by Fourier coefficients at each place."""
    degree = int(settings["fourier_degree"])
    text, middle = _softmax(classes[:2])[1], _softmax(classes[2:])[1]
    score = (text ** settings["alpha"]) * (middle ** settings["beta"])
    mask = filled(score > settings["score_thr"])
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    found: List[Boundary] = []
    for contour in contours:
        area = np.zeros(mask.shape, np.int8)
        cv2.drawContours(area, [contour], -1, (1,), -1)
        shown = score * area
        chosen = shown > 0
        rows, columns = np.nonzero(chosen)
        x, y = coefficients[: 2 * degree + 1, rows, columns].T, coefficients[2 * degree + 1 :, rows, columns].T
        terms = x + y * 1j
        terms[:, degree] = terms[:, degree] + (columns + rows * 1j)
        outlines = _outlines(terms * scale, int(settings["num_reconstr_points"]))
        found += _suppressed(list(zip(outlines, shown[chosen].tolist())), settings["nms_thr"])
    # rectangles, which a config may ask for, upstream makes and does not give
    return _suppressed(found, settings["nms_thr"])


def _outlines(terms: np.ndarray, count: int) -> np.ndarray:
    """(n, 2 * count) whole numbers, the outlines of Fourier series with terms (n, 2k + 1), the middle one constant."""
    degree = (terms.shape[1] - 1) // 2
    spectrum = np.zeros((len(terms), count), complex)
    spectrum[:, : degree + 1], spectrum[:, -degree:] = terms[:, degree:], terms[:, :degree]
    points = np.fft.ifft(spectrum) * count
    return np.stack([points.real, points.imag], 2).astype(np.int32).reshape(len(terms), -1)


def _suppressed(found: List[Boundary], most: float) -> List[Boundary]:
    """The boundaries that overlap no better one by more than a share, the best first."""
    geometry = needed("shapely.geometry", "shapely")
    left = sorted(found, key=lambda one: one[1])
    shapes = [_polygon(geometry, points) for points, _ in left]
    kept: List[Boundary] = []
    while left:
        best, shape = left.pop(), shapes.pop()
        kept.append(best)
        stays = [not _overlap(shape, other) > most for other in shapes]
        left = [one for one, stay in zip(left, stays) if stay]
        shapes = [one for one, stay in zip(shapes, stays) if stay]
    return kept


def _polygon(geometry: Any, points: np.ndarray) -> Any:
    return geometry.Polygon(np.array(points).reshape(-1, 2))


def _overlap(one: Any, other: Any) -> float:
    """The intersection over the union of two polygons; those that cross themselves are taken as what they enclose."""
    one, other = (shape if shape.is_valid else shape.buffer(0) for shape in (one, other))
    shared = one.intersection(other).area
    union = one.area + other.area - shared
    return float(shared / union) if union else 1.0


def _softmax(values: np.ndarray) -> np.ndarray:
    raised = np.exp(values - values.max(0, keepdims=True))
    return raised / raised.sum(0, keepdims=True)


def _of_drrg(values: Mapping[str, np.ndarray], texts: How) -> List[Boundary]:
    if "components" not in values:  # but what the file gives of a picture, of whose graph the links may be
        given = values.get(LINKS, np.empty((0, 0), np.float32))

        def judge(feeds: Dict[str, np.ndarray]) -> np.ndarray:
            shape = feeds["neighbours"].shape
            return given if given.shape == shape else np.zeros(shape, np.float32)

        values = linked(values[FEATURES], texts, judge)
    return outlines_of(values, texts["settings"]["link_thr"])


FINDERS: Dict[str, Callable[[Mapping[str, np.ndarray], How], List[Boundary]]] = {
    "db": _of_db,
    "pan": _of_pan,
    "pse": _of_pse,
    "textsnake": _of_textsnake,
    "fce": _of_fce,
    "drrg": _of_drrg,
}
